"""Whose input is handled next, where there is more of it than the loop has time for.

What a read sets off in the loop itself (packets taken apart, requests answered at once) is bounded
for each connection, and that does not help where many flood. So all descriptors of one loop that
clients write to share its time. While there is enough for everybody, each is handled as soon as the
loop finds that it can be read. When :data:`SLICE` seconds of one pass are used up, the others wait,
and so do those who had more than their share; they are handled for a slice of each further pass,
and the loop looks for input in between.

Among those who wait the order is that of start-time fair queueing: the rota has a time of its own,
that of the work done last, and each descriptor stands where its own work has got to, but never
behind the rota's time. Who asks for little is therefore next as soon as it asks, however many
flood, and they have the rest in turns. Who leaves nothing unread is not who floods: its work counts
for less, and it stands first.

All that are of one address have one place among the others, and share what it gives by the same
rules: else who opens hundreds of connections had hundreds of turns, and the first of each before
anybody knows that it floods.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary, finalize

from .jobs import SLICE, Jobs

__all__ = ["SLICE", "Account", "Rota", "Watch", "rota_of"]

#: Seconds after which one of several who wait should make room for the next.
GRAIN = 0.001
#: The part of the work that counts of whoever leaves nothing unread.
CALM = 1 / 16

_READ = 1

# What a watch waits for: nothing; input; its turn; nothing more, for it has it; never anything.
_STOPPED, _WATCHED, _QUEUED, _SERVED, _CLOSED = range(5)


W = TypeVar("W")


class Account:
    """What those of one address have had of the rota's time."""

    __slots__ = ("__weakref__", "calm", "due", "number", "time", "waiting")

    def __init__(self, now: float) -> None:
        #: Where on the rota's time their work has got to. Who is new stands behind whoever has been
        #: here and asked for little.
        self.due = now + GRAIN / 2
        #: Whether nothing was left unread the last time.
        self.calm = True
        #: How far their work has got on the time that they have among themselves.
        self.time = 0.0
        #: Those of them who wait for their turn, the next one first.
        self.waiting: list[Place[Watch]] = []
        #: The number of its place in the rota's queue; 0 where it is not in it.
        self.number = 0


class Watch:
    """One descriptor whose owner is called, in the hub, when it can be read and it is its turn.

    The owner returns whether it may have left something unread; if so, it is called once more. To
    be closed before the descriptor.
    """

    __slots__ = (
        "_at_work",
        "_filed",
        "_io",
        "_on_readable",
        "_rota",
        "_state",
        "account",
        "calm",
        "due",
    )

    def __init__(
        self, rota: Rota, io: Any, on_readable: Callable[[], bool], account: Account
    ) -> None:
        self._rota = rota
        self.account = account
        self._io = io
        self._on_readable = on_readable
        self._state = _STOPPED
        # Whether the owner is being called.
        self._at_work = False
        # Whether it is in the rota's queue, where it stays until its turn, whatever becomes of it.
        self._filed = False
        #: Where on its account's time its own work has got to.
        self.due = account.time + GRAIN / 2
        #: Whether nothing was left unread the last time.
        self.calm = True

    def start(self) -> None:
        """Be called when there is something to read. Twice is once."""
        if self._state == _STOPPED:
            self._state = _WATCHED
            self._io.start(self._ready)

    def again(self) -> None:
        """Be called when it is its turn, whether or not anything arrives meanwhile."""
        state = self._state
        if state == _CLOSED:
            return
        if state == _WATCHED:
            self._io.stop()
        self._state = _QUEUED
        if not self._at_work:
            # Else its place depends on how long that takes.
            self._file()

    def stop(self) -> None:
        """Not be called, until it is started again. Twice is once."""
        if self._state == _WATCHED:
            self._io.stop()
        if self._state != _CLOSED:
            self._state = _STOPPED

    @property
    def stopped(self) -> bool:
        """Whether nothing is waited for."""
        return self._state == _STOPPED

    @property
    def others(self) -> Sequence[object]:
        """Those who wait for their turn: the same list always."""
        return self._rota.waiting

    def close(self) -> None:
        """Never be called again. Twice is once."""
        if self._state != _CLOSED:
            self._state = _CLOSED
            # Which stops it.
            self._io.close()
            # The owner has this one, and they would keep each other.
            self._on_readable = _nothing

    def _ready(self) -> None:
        # Called with each read of everybody.
        rota = self._rota
        now = rota.clock()
        if now >= rota.until and not rota.goes_on(now):
            self.again()
            return
        if rota.waiting:
            if rota.is_next(self):
                self._work(now)
            else:
                self.again()
            return
        # Nobody waits: what it takes is of interest where there is more of it.
        self._at_work = more = True
        try:
            more = self._on_readable()
        finally:
            self._at_work = False
            if more or self._state == _QUEUED or not self.calm:
                self._count(now, more)

    def _work(self, began: float) -> None:
        account, rota = self.account, self._rota
        account.time = _reached(account.time, self)
        rota.time = _reached(rota.time, account)
        self._at_work = more = True
        try:
            more = self._on_readable()
        finally:
            self._at_work = False
            self._count(began, more)

    def _count(self, began: float, more: bool) -> None:
        """It has worked since then, and may have left something unread."""
        account, rota = self.account, self._rota
        took = rota.clock() - began
        queued = self._state == _QUEUED
        self.calm = account.calm = calm = not (queued or more)
        if calm:
            took *= CALM
        self.due = max(self.due, account.time) + took
        account.due = max(account.due, rota.time) + took
        if queued:
            self._file()

    def _file(self) -> None:
        if not self._filed:
            self._filed = True
            self._rota.file(self)

    def begin(self) -> bool:
        """For the rota alone: its turn has come. Whether it still waits for it."""
        self._filed = False
        if self._state != _QUEUED:
            return False
        self._state = _SERVED
        return True

    def serve(self, now: float) -> None:
        """For the rota alone: call the owner, and watch again unless that one wants something
        else."""
        try:
            self._work(now)
        finally:
            if self._state == _SERVED:
                self._state = _WATCHED
                self._io.start(self._ready)


def _nothing() -> bool:
    return False


#: From where on its work counts, whether it floods, where that has got to, and who came first.
Place = tuple[float, bool, float, int, W]


def _reached(time: float, who: Watch | Account) -> float:
    """How far the work has got when it is that one's turn."""
    due = who.due
    return due if due >= time + (GRAIN if who.calm else 0.0) else time


class Rota:
    """What the watched descriptors of one loop share. ``loop`` is gevent's; for the hub's own
    thread alone."""

    __slots__ = (
        "_accounts",
        "_filed",
        "_look",
        "_looking",
        "clock",
        "loop",
        "number",
        "queues",
        "time",
        "until",
        "waiting",
    )

    def __init__(self, loop: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.loop = loop
        self.clock = clock
        #: Tasks that input has set off and that have not begun.
        self.queues: list[Jobs] = []
        #: How far the work has got, in seconds of it: it stands still while nobody works.
        self.time = 0.0
        #: Those of whom some wait for their turn, the next one first; and maybe old places of some,
        #: whose numbers are not theirs any more.
        self.waiting: list[Place[Account]] = []
        self._accounts: WeakValueDictionary[str, Account] = WeakValueDictionary()
        self._filed = 0
        self._look = loop.timer(0.0)
        self._looking = False
        #: The loop's present pass, and until when whoever is at work may go on in it.
        self.number = -1
        self.until = 0.0

    def watch(self, descriptor: int, on_readable: Callable[[], bool], address: str = "") -> Watch:
        """Watch for input, once it is started. All of one ``address`` share its account; "" is an
        account of its own."""
        account = self._accounts.get(address) if address else None
        if account is None:
            account = Account(self.time)
            if address:
                self._accounts[address] = account
        return Watch(self, self.loop.io(descriptor, _READ), on_readable, account)

    def full(self) -> bool:
        """Whether the loop has not looked for input for as long as who is at work may take: then
        whoever can go on has to let it. Who asks first after a look is never told so."""
        now = self.clock()
        number = self.loop.iteration
        if number != self.number:
            self.number = number
            self.until = 0.0 if self.crowded else now + SLICE
            return False
        return now >= self.until

    def goes_on(self, now: float) -> bool:
        """Whether input may be handled, where the time is over in which nobody has to ask: in each
        pass of the loop for a slice, and while there is room for what it sets off."""
        loop = self.loop
        number = loop.iteration
        if number == self.number or self.crowded:
            return False
        self.number = number
        # Some may have been handled in this pass, within the time of an earlier one.
        looked = loop.now()
        loop.update_now()
        self.until = now + SLICE - (loop.now() - looked)
        return now < self.until

    def _place(self, time: float, who: W, due: float, calm: bool) -> Place[W]:
        """Where one stands among those who wait, whose work has got to ``time``."""
        self._filed += 1
        start = time
        if due <= start:
            due = start
        elif not calm or due >= start + GRAIN:
            start = due
        return start, not calm, due, self._filed, who

    def is_next(self, watch: Watch) -> bool:
        """Whether it would be that one's turn, if it waited like those who do."""
        account = watch.account
        fellows = account.waiting
        if fellows and fellows[0] < self._place(account.time, watch, watch.due, watch.calm):
            return False
        first = self.waiting[0]
        if first[-1] is account:
            return True
        return first > self._place(self.time, account, account.due, account.calm)

    def enlist(self, owner: object, jobs: Jobs) -> None:
        """``jobs`` are tasks that wait to be begun, for as long as ``owner`` is there, who calls
        :meth:`crowd` where there are more than there is room for."""
        self.queues.append(jobs)

        def gone() -> None:
            self.queues[:] = [each for each in self.queues if each is not jobs]

        finalize(owner, gone).atexit = False

    def crowd(self) -> None:
        """So many tasks wait by now that input has to."""
        self.until = 0.0

    @property
    def crowded(self) -> bool:
        """Whether more tasks wait than there is room for."""
        return any(jobs.crowded for jobs in self.queues)

    def file(self, watch: Watch) -> None:
        """Let ``watch`` wait for its turn."""
        account = watch.account
        heappush(account.waiting, self._place(account.time, watch, watch.due, watch.calm))
        if not account.number:
            self._file_account(account)
        self._look_for_input()

    def _file_account(self, account: Account) -> None:
        place = self._place(self.time, account, account.due, account.calm)
        account.number = place[3]
        heappush(self.waiting, place)

    def _look_for_input(self) -> None:
        if not self._looking:
            self._looking = True
            self._look.start(self._looked)

    def _looked(self) -> None:
        # Timers are called before the input which the same look has found: go on behind that.
        self.loop.run_callback(self._go_round)

    def _go_round(self) -> None:
        self._looking = False
        waiting = self.waiting
        now = self.clock()
        # At least one, whatever has come with this pass.
        self.number, ends = self.loop.iteration, now + SLICE
        try:
            while waiting:
                place = waiting[0]
                account = place[-1]
                watch = self._next_of(account) if account.number == place[3] else None
                if watch is None:
                    heappop(waiting)
                    continue
                account.number = 0
                if not account.waiting:
                    # Else it stays there meanwhile: whoever asks shall see that some wait.
                    heappop(waiting)
                self.until = min(ends, now + GRAIN) if waiting else ends
                try:
                    watch.serve(now)
                finally:
                    if account.waiting and not account.number:
                        self._file_account(account)
                    if waiting and waiting[0] is place:
                        heappop(waiting)
                now = self.clock()
                if now >= ends or self.crowded:
                    break
        finally:
            # Also behind one that failed, which is for the hub to say.
            self.until = 0.0 if self.crowded else ends
            if waiting:
                self._look_for_input()

    @staticmethod
    def _next_of(account: Account) -> Watch | None:
        fellows = account.waiting
        while fellows:
            watch = heappop(fellows)[-1]
            if watch.begin():
                return watch
        account.number = 0
        return None


_rotas: WeakKeyDictionary[Any, Rota] = WeakKeyDictionary()


def rota_of(hub: Any) -> Rota:
    """The rota of a hub: one, however many servers and middlewares run in it."""
    rota = _rotas.get(hub)
    if rota is None or rota.loop is not hub.loop:
        rota = _rotas[hub] = Rota(hub.loop)
    return rota
