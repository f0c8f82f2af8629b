"""Requests that reach one worker and are for a session of another: no sticky sessions.

Whoever gets such a request *asks* the owner over the mesh, and gives its client what the owner has
answered (:mod:`.relay`, :mod:`.asker`); the owner answers as if the request had come to it
(:mod:`.owner`). The connection of a websocket is passed to its owner, and then costs nobody else
anything; where TLS ends in this process, it is relayed.
"""

from __future__ import annotations

__all__: list[str] = []
