"""A cluster as it is now: asked off the loop, again whenever something shows that it changed."""

from __future__ import annotations

import random
from collections.abc import Callable

from ...runtime.blocking import aside
from ...runtime.interfaces import Cancellable, Runtime
from .address import Address
from .topology import Place, Topology

__all__ = ["Shards"]

#: Seconds until the nodes are asked: at first, and what that grows to while they say nothing new.
#: From half as long to once and a half, so that not all processes ask at once.
SOON, LONGEST = 0.1, 2.0
#: Seconds after which it is the first time again, and after which they are asked in any case: who
#: asked one that others have lost is told nothing of it.
QUIET, AT_LEAST = 5.0, 60.0


class Shards:
    """Which node has which slots, for who publishes and who is subscribed."""

    def __init__(
        self,
        address: Address,
        runtime: Runtime,
        *,
        changed: Callable[[Topology], bool],
        failed: Callable[[str], object],
    ) -> None:
        """``changed`` is called in a task with each answer, says whether it is new, and may not
        block; ``failed`` where nobody gave one: then they are asked again."""
        self._address = address
        self._runtime = runtime
        self._changed = changed
        self._failed = failed
        self._nodes: list[Place] = []
        self._timer: Cancellable | None = None
        # Whether they are asked now, are to be asked once more, and are to be asked soon.
        self._asking = self._again = self._soon = False
        self._closed = False
        self._delay = SOON
        self._asked_at = float("-inf")

    def start(self) -> None:
        self._asking = True
        self._runtime.run(self._ask)

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look_again(self) -> None:
        """Something was not where it was thought to be."""
        if self._asking:
            self._again = True
            return
        if self._soon or self._closed:
            return
        self._soon = True
        if self._runtime.now() - self._asked_at > QUIET:
            self._delay = SOON
        self._wait(self._delay)

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        when = self._runtime.now() + seconds * random.uniform(0.5, 1.5)
        self._timer = self._runtime.at(when, self._ask)

    def _ask(self) -> None:
        """Blocks."""
        self._timer = None
        self._asking, self._again, self._soon = True, False, False
        try:
            # Any of them: who was asked last time may be the one that is gone.
            random.shuffle(self._nodes)
            found = aside(self._address.topology, list(self._nodes))
        except Exception as error:  # redis-py's, ssl's, the resolver's
            found = None
            why = f"{type(error).__name__}: {error}"
        self._asking = False
        self._asked_at = self._runtime.now()
        if self._closed:
            return
        new = False
        if found is None:
            self._failed(why)
        else:
            self._nodes = found.nodes
            new = self._changed(found)
        self._delay = SOON if new else min(self._delay * 2, LONGEST)
        if found is None or self._again:
            self.look_again()
        elif not self._soon:
            self._wait(AT_LEAST)
