"""One relay for the workers of a host: it hears the Redis server for all of them.

:mod:`.relays` is where a worker meets those of its mesh. :mod:`.hearing` is what a link hears by:
it decides who that is, among those who take part (:mod:`.participants`), those that this one
listens to (:mod:`.elsewhere`), and its own connection, which may serve others (:mod:`.serving`,
with the :mod:`.feed`).
"""

from __future__ import annotations

__all__: list[str] = []
