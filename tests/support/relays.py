"""A host of which two workers hear Redis for all, and an account of what their clients hear."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack

import gevent

from .hosts import JOINED, Host
from .redis import RedisServer
from .transcript import eventually
from .workers import Wire, Worker

__all__ = ["Relayed"]

#: The lines of workers that say by whom they hear.
LINE = re.compile(r"(this worker|worker \S+) hears the server .* \[backplane-relay\]")


class Relayed:
    """A host of several workers, and one elsewhere that talks all the time."""

    def __init__(
        self, stack: ExitStack, server: RedisServer, count: int, *, rooms: bool = False
    ) -> None:
        """``rooms`` is whether what is for one room goes by a channel of that."""
        self.server = server
        self.host = Host(
            stack,
            count,
            backplane=server.url,
            backplane_relay=True,
            backplane_inputs=["python-socketio"],
            backplane_rooms=rooms,
        )
        self.wires = self.host.wires
        self.far = Host(stack, 1, backplane=server.url, backplane_rooms=rooms).wires[0]
        self.said = 0
        self.heard: dict[Wire, list[int]] = {wire: [] for wire in self.wires}
        self.overheard: dict[Wire, list[int]] = {wire: [] for wire in self.wires}
        for wire in self.wires:
            eventually(lambda w=wire: self._hears(w), "it hears the other host", JOINED)  # type: ignore[misc]
        for wire in self.wires:
            wire.hear_rest()
        self._over = False
        self._task = gevent.spawn(self._talk)
        stack.callback(self._task.kill)

    def _hears(self, wire: Wire) -> bool:
        self.far.ask("tell", wire.name, "ready?")
        wire.ask("who")
        return ["told", "ready?"] in wire.events()

    def _talk(self) -> None:
        """What is numbered; and what another program says, which has no numbers: several times the
        same."""
        while not self._over:
            self.far.ask("count", self.said, self.said + 3)
            for _ in range(2):
                self._publish(self.said // 9)
            self.said += 3
            # Who stands still, or is not asked, has to keep it all.
            gevent.sleep(0.02)

    def _publish(self, number: int) -> None:
        event = {"method": "emit", "event": "foreign", "data": [number], "namespace": "/"}
        self.server.command("PUBLISH", "socketio", json.dumps({**event, "room": None}))

    def worker(self, wire: Wire) -> Worker:
        return self.host.workers[self.host.wires.index(wire)]

    def relay_of(self, wire: Wire) -> Wire:
        """The worker whose connection it hears."""
        by = LINE.findall(self.worker(wire).output)[-1]
        if by == "this worker":
            return wire
        (found,) = [each for each in self.host.wires if str(each.wire.sid)[:4] == by.split()[1]]
        return found

    def relay(self) -> Wire:
        """One that others hear by."""
        return next(each for each in map(self.relay_of, self.wires) if self.relay_of(each) is each)

    def settled(self) -> None:
        """Until two hear for all."""

        def is_so() -> bool:
            return len({self.relay_of(each) for each in self.wires}) <= 2

        eventually(is_so, "two hear for all", JOINED)

    def ends(self, wire: Wire) -> None:
        self.wires = [each for each in self.wires if each is not wire]

    def goes_on(self, wires: list[Wire], count: int = 60) -> None:
        """Until these have heard so much more."""
        until = self.said + count
        for wire in wires:
            eventually(lambda w=wire: self._last(w) >= until, "they hear it", JOINED)  # type: ignore[misc]

    def _last(self, wire: Wire) -> int:
        wire.ask("who")
        for name, *values in wire.events():
            if name == "number" and values[0] == self.far.pid:
                self.heard[wire].append(values[1])
            elif name == "foreign":
                self.overheard[wire].append(values[0])
        return max(self.heard[wire], default=-1)

    def check(self, *, lost: bool = False) -> None:
        """All of it came to those who live, once, and in order; or it is known what is missing."""
        self._over = True
        self._task.get()
        numbers = list(range(self.said))
        foreign = [number // 9 for number in range(0, self.said, 3) for _ in range(2)]

        def all_came(wire: Wire) -> bool:
            last = self._last(wire)
            return last >= self.said - 1 and (lost or len(self.overheard[wire]) >= len(foreign))

        for wire in self.wires:
            eventually(lambda w=wire: all_came(w), "all is there", JOINED)  # type: ignore[misc]
            worker, heard = self.worker(wire), self.heard[wire]
            missing = sum(map(int, re.findall(r"told of a gap: (\d+)", worker.output)))
            assert heard == sorted(set(heard))
            assert len(heard) + missing == self.said
            if not lost:
                assert heard == numbers
                assert self.overheard[wire] == foreign
        for worker in self.host.workers:
            assert "Traceback" not in worker.output
