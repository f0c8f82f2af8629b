"""One relay for the workers of a host: it hears the Redis server for all of them.

:mod:`.relays` is where a worker meets those of its mesh, :mod:`.hearing` what a link hears by, and
:mod:`.feed` what a worker is to others that it hears for.
"""

from __future__ import annotations

__all__: list[str] = []
