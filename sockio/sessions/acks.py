"""Callbacks that wait for the client's acknowledgement.

Ids count from 1 per namespace, as the JavaScript client's do, so the namespace belongs to the key
(fact sheet, section 4). Every entry has a deadline; they are bounded in number and in bytes of
memory, for one client, for all of one address, and for all.

What a callback holds takes a while to find out, and most are answered at once. So they are weighed
only when they could take more than they may: by what the client has sent since they were weighed
last, and by how many have come.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .crowd import Crowd
from .held import EACH, weights_of_callbacks

__all__ = ["ADDRESS", "ALL", "Dropped", "PendingAcks", "Waiting"]

#: How many times the bytes of one client those of all clients of an address may be, and those of
#: all.
ADDRESS, ALL = 32, 320
#: Bytes of memory that a byte may take which a client has sent: JSON's objects are so large.
EXPANDED = 30
#: Callbacks by which they may grow before they are weighed, whatever the client has sent: others
#: have sent something, too. Half as many as wait, where that is more.
UNSEEN = 64
#: Which part of their bytes is made free where they were too many, and may come without a look.
PART = 8
#: Bytes of memory by which they may change before the others' are looked at.
STEP = 4 * EACH

#: Namespaces of one client whose ids are counted on when it has left them, and the characters of
#: their names. Only those that fit patterns can be so many; there is room for all that a client may
#: be in at a time.
COUNTERS, THEIR_NAMES = 1000, 200_000


class Waiting:
    """One callback: ``answered(args)`` when the ack comes, ``failed(reason)`` when it will not.

    ``direct`` callbacks only wake somebody up and may be called anywhere; the others are the
    user's code and need a task of their own.
    """

    __slots__ = ("answered", "deadline", "direct", "failed", "weight")

    def __init__(
        self,
        answered: Callable[..., object],
        deadline: float,
        *,
        failed: Callable[[str], object] | None = None,
        direct: bool = False,
    ) -> None:
        self.answered = answered
        self.deadline = deadline
        self.failed = failed
        self.direct = direct
        #: Bytes of memory, as far as that is known.
        self.weight = EACH


class Dropped(NamedTuple):
    """Callbacks that made room, and why: a sentence's part."""

    waiting: tuple[Waiting, ...]
    why: str


_NONE = Dropped((), "")


class PendingAcks:
    """The callbacks of one client, by namespace and id.

    ``max_acks`` is callbacks and bytes of memory. ``crowd`` counts the bytes of all clients of the
    same address, but for :data:`STEP` of each.
    """

    __slots__ = (
        "_counted",
        "_counters",
        "_counters_size",
        "_crowd",
        "_limit",
        "_look",
        "_look_heard",
        "_look_size",
        "_most",
        "_size",
        "_soonest",
        "_unseen",
        "_waiting",
    )

    def __init__(self, max_acks: tuple[int, int], crowd: Crowd[Any] | None = None) -> None:
        self._limit, self._most = max_acks
        self._counters: dict[str, int] = {}
        self._counters_size = 0
        # A dict keeps the order of insertion, so the first entry is the oldest.
        self._waiting: dict[tuple[str, int], Waiting] = {}
        # A lower bound of all deadlines, exact after expire(): no search on each add and pop.
        self._soonest = math.inf
        # Bytes of memory of all that wait, as far as it is known, and what the crowd knows of it.
        self._size = self._counted = 0
        self._crowd = crowd
        # Beyond so many callbacks, bytes of them, or bytes of the client's it has to be looked at
        # what they are: all that is asked when one comes.
        self._unseen = 0
        self._look = self._look_size = self._look_heard = 0
        self._look_again(0)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def size(self) -> int:
        """Bytes of memory of those that wait, as far as it is known."""
        return self._size

    def add(self, endpoint: str, waiting: Waiting, heard: int = 0) -> tuple[int, Dropped]:
        """Register a callback: its ack id, and the oldest if they had to make room; the new one
        among them where that was not enough. ``heard`` is how many bytes the client has sent so
        far."""
        ack_id = self._counters.get(endpoint, 0) + 1
        if ack_id == 1:
            self._make_room_for(endpoint)
        self._counters[endpoint] = ack_id
        all_waiting = self._waiting
        all_waiting[endpoint, ack_id] = waiting
        if waiting.deadline < self._soonest:
            self._soonest = waiting.deadline
        size = self._size = self._size + EACH
        if len(all_waiting) > self._look or size > self._look_size or heard > self._look_heard:
            return ack_id, self._make_room(heard)
        return ack_id, _NONE

    def _make_room(self, heard: int) -> Dropped:
        """The oldest go until the others take no more than they may. The newest stays, whatever it
        takes, unless it is one too many of its address."""
        dropped: list[Waiting] = []
        why = ""
        waiting, most = self._waiting, self._most
        if len(waiting) > self._limit:
            why = f"more than {self._limit} wait for an ack"
            dropped.append(self._drop_oldest())
            # As many as before, and others.
            self._unseen += 1
        if self._size > most or heard > self._look_heard or self._is_unseen():
            self._weigh()
            if self._size > most and len(waiting) > 1:
                why = f"those that wait for an ack hold more than {most} bytes of memory"
                # Some more, or they had to be weighed again with the next one.
                while self._size > most - most // PART and len(waiting) > 1:
                    dropped.append(self._drop_oldest())
            self._look_again(heard)
        self._count()
        while waiting and self._is_crowded():
            why = (
                f"those of all clients from its address hold more than {most * ADDRESS} bytes of "
                f"memory, or those of all {most * ALL} (if that is your proxy's address, name it "
                "in trusted_proxies)"
            )
            dropped.append(self._drop_oldest())
            self._count()
        return Dropped(tuple(dropped), why) if dropped else _NONE

    def _is_unseen(self) -> bool:
        number = len(self._waiting)
        return number > self._look < self._limit or self._unseen > max(UNSEEN, number // 3)

    def _look_again(self, heard: int) -> None:
        """They are known: when it has to be looked at them next."""
        number = len(self._waiting)
        self._unseen = 0
        self._look = min(self._limit, number + max(UNSEEN, number // 2))
        self._look_heard = heard + max(self._most - self._size, self._most // PART) // EXPANDED

    def _weigh(self) -> None:
        """Find out what those that wait hold. Beyond what they may hold nothing is looked at: those
        have to go."""
        newest_first = [*self._waiting.values()][::-1]
        functions = [[each.answered] for each in newest_first if not each.direct]
        weights = iter(weights_of_callbacks(functions, self._most))
        size = 0
        for each in newest_first:
            # Whoever waits for the answer holds what a direct one does.
            weight = EACH if each.direct else next(weights, self._most)
            each.weight = weight
            size += weight
        self._size = size

    def _is_crowded(self) -> bool:
        """Whether those of all clients of its address take more than they may, or those of all."""
        crowd, most = self._crowd, self._most
        return crowd is not None and (crowd.held > most * ADDRESS or crowd.around.held > most * ALL)

    def _count(self) -> None:
        """Let the crowd know how much it is."""
        if self._crowd is not None:
            more = self._size - self._counted
            self._crowd.held += more
            self._crowd.around.held += more
            self._counted += more
        self._look_size = min(self._size + STEP, max(self._most, self._size))

    def _drop_oldest(self) -> Waiting:
        waiting = self._waiting.pop(next(iter(self._waiting)))
        self._size -= waiting.weight
        return waiting

    def _make_room_for(self, endpoint: str) -> None:
        """One more namespace is counted: in the place of the oldest, which begins anew."""
        counters = self._counters
        self._counters_size += len(endpoint)
        while counters and (len(counters) >= COUNTERS or self._counters_size > THEIR_NAMES):
            oldest = next(iter(counters))
            del counters[oldest]
            self._counters_size -= len(oldest)

    def has(self, endpoint: str, ack_id: int) -> bool:
        """Whether somebody waits for that ack."""
        return (endpoint, ack_id) in self._waiting

    def pop(self, endpoint: str, ack_id: Any) -> Waiting | None:
        """The callback of an ack that arrived, which is forgotten; None for an unknown one."""
        waiting = self._waiting.pop((endpoint, ack_id), None)
        if waiting is not None:
            size = self._size = self._size - waiting.weight
            if size + STEP < self._counted:
                self._count()
        return waiting

    def deadline(self) -> float | None:
        """When to call :meth:`expire` next, or None."""
        return self._soonest if self._waiting else None

    def expire(self, now: float) -> list[Waiting]:
        """Forget and return those whose time is over."""
        if self._soonest > now:
            return []
        late = [key for key, waiting in self._waiting.items() if waiting.deadline <= now]
        expired = self._take(late)
        self._soonest = min((each.deadline for each in self._waiting.values()), default=math.inf)
        return expired

    def leave(self, endpoint: str) -> list[Waiting]:
        """Forget and return those of one namespace."""
        gone = [key for key in self._waiting if key[0] == endpoint]
        return self._take(gone)

    def clear(self) -> list[Waiting]:
        """Forget and return all."""
        return self._take([*self._waiting])

    def _take(self, keys: list[tuple[str, int]]) -> list[Waiting]:
        taken = [self._waiting.pop(key) for key in keys]
        self._size -= sum([each.weight for each in taken])
        self._count()
        return taken
