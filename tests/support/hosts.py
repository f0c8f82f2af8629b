"""Hosts with workers that a Redis server joins, and an account of what their clients hear."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from .network import Place
from .transcript import eventually
from .workers import Wire, Worker, Workers

__all__ = ["JOINED", "Account", "Host", "hosts"]

#: Seconds within which all have to hear each other, on a machine that has much to do.
JOINED = 30.0


class Host:
    """Some workers, and a client of each. ``place`` is where they are, if not here."""

    def __init__(
        self, stack: ExitStack, count: int, place: Place | None = None, **options: Any
    ) -> None:
        self.place = place
        workers = Workers(place.prefix if place else ())
        stack.callback(workers.close)
        self.workers: list[Worker] = workers.start(count, **options)
        self.wires = [self.client(stack, each) for each in self.workers]

    def client(self, stack: ExitStack, worker: Worker) -> Wire:
        """One more client of a worker."""
        with self.place.inside() if self.place else ExitStack():
            wire = Wire(worker)
        stack.callback(wire.wire.close)
        return wire


@contextmanager
def hosts(url: str, *places: Place | None, **options: Any) -> Iterator[list[Host]]:
    """Those with two workers each, all of whom hear each other."""
    with ExitStack() as stack:
        some = [Host(stack, 2, each, backplane=url, **options) for each in places]
        wires = [wire for host in some for wire in host.wires]
        for wire in wires:
            for other in wires:
                if other is not wire:
                    _join(wire, other)
        for wire in wires:
            wire.hear_rest()
        yield some


def _join(wire: Wire, other: Wire) -> None:
    def hears() -> bool:
        other.ask("tell", wire.name, "ready?")
        wire.ask("who")
        return ["told", "ready?"] in wire.events()

    eventually(hears, "it is heard", JOINED)


def _gaps(worker: Worker) -> int:
    return sum(map(int, re.findall(r"told of a gap: (\d+)", worker.output)))


class Account:
    """What one client of each worker hears: the numbers that each worker emits."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = hosts
        #: How many each has emitted.
        self.said: dict[int, int] = defaultdict(int)
        self.heard: dict[Wire, dict[int, list[int]]] = {
            wire: defaultdict(list) for host in hosts for wire in host.wires
        }
        self._before = {each: _gaps(each) for host in hosts for each in host.workers}

    def say(self, *talkers: Wire, count: int = 10) -> None:
        """Nobody waits for the network: each has its answer at once."""
        for talker in talkers:
            first = self.said[talker.pid]
            self.said[talker.pid] += count
            talker.ask("count", first, first + count)

    def read(self, *wires: Wire) -> None:
        """Take down what has come, to these or to all."""
        for wire in wires or self.heard:
            wire.ask("who")
            for name, *values in wire.events():
                if name == "number":
                    self.heard[wire][values[0]].append(values[1])

    def all_came(self) -> bool:
        self.read()
        return all(
            len(numbers[pid]) == said
            for numbers in self.heard.values()
            for pid, said in self.said.items()
        )

    def _beside_came(self, gone: set[int]) -> bool:
        """Whether the living have heard all that the living of their own host have said."""
        for host in self._hosts:
            living = [each for each in host.wires if each.pid not in gone]
            self.read(*living)
            for wire in living:
                for other in living:
                    if len(self.heard[wire][other.pid]) < self.said[other.pid]:
                        return False
        return True

    def check(self, *, lost: bool, dead: Sequence[Worker] = ()) -> None:
        """Each came once and in order, all of those of the own host; what did not come from
        elsewhere is known. Of who is dead it is not known how much there was."""
        gone = {each.pid for each in dead}
        eventually(lambda: self._beside_came(gone), "all of the own host is there", JOINED)
        for host in self._hosts:
            beside = {wire.pid for wire in host.wires}
            for wire, worker in zip(host.wires, host.workers, strict=True):
                if worker in dead:
                    continue
                missing = 0
                for pid, said in self.said.items():
                    numbers = self.heard[wire][pid]
                    assert numbers == sorted(set(numbers))
                    if pid in gone:
                        continue
                    if pid in beside:
                        assert numbers == list(range(said))
                    missing += said - len(numbers)
                assert lost or missing == 0
                # It is told of all emissions, some of which were no numbers.
                told = self._before[worker] + missing
                eventually(lambda w=worker, t=told: _gaps(w) >= t, "they are known")  # type: ignore[misc]
