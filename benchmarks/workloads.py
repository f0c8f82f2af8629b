"""The workloads: what the clients do, and what one unit of the work is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["GENERATED", "ROWS", "Generated", "Row", "needed"]


@dataclass(frozen=True)
class Row:
    """One figure of the result, as targets and tables name it.

    ``unit`` is what the figure counts, and ``factor`` makes it of the base unit (seconds of CPU a
    message, bytes a connection, seconds of CPU a second).
    """

    name: str
    title: str
    unit: str
    factor: float = 1e6


@dataclass(frozen=True)
class Generated:
    """One run of the load generator: its workload and options, and the rows it yields."""

    name: str
    kind: str
    clients: int
    window: int = 1
    shouters: int = 1
    room: int = 0
    #: Seconds to measure at least, whatever was asked for.
    at_least: float = 0
    #: Rounds at most: what hardly varies need not be repeated.
    rounds: int | None = None

    @property
    def rows(self) -> tuple[str, ...]:
        return (f"W4-{self.clients}", self.name) if self.kind == "idle" else (self.name,)

    def arguments(self, seconds: float, warmup: float) -> list[str]:
        """What to tell the load generator."""
        given = {
            "workload": self.kind,
            "clients": self.clients,
            "window": self.window,
            "shouters": self.shouters,
            "room": self.room,
            "seconds": max(seconds, self.at_least),
            "warmup": warmup,
        }
        return [part for name, value in given.items() for part in (f"--{name}", str(value))]


GENERATED = {
    item.name: item
    for item in (
        Generated("W1-100", "broadcast", 100, window=4),
        Generated("W1-1000", "broadcast", 1000, window=4),
        Generated("W1-4000", "broadcast", 4000, window=4),
        Generated("W1-1000w1", "broadcast", 1000),
        Generated("W1-1000s4", "broadcast", 1000, window=4, shouters=4),
        Generated("W2", "echo", 50, window=8),
        Generated("W2w1", "echo", 50),
        Generated("W3", "connect", 16),
        Generated("W5", "polling", 20, window=8),
        Generated("W5w1", "polling", 20),
        Generated("W6", "broadcast", 10_000, window=4, room=10),
        Generated("W6-100", "broadcast", 100, window=4, room=10),
        Generated("idle-5000", "idle", 5000, at_least=8, rounds=1),
    )
}

_MESSAGE = "µs/delivery"
_ROUND_TRIP = "µs/round trip"

ROWS = {
    row.name: row
    for row in (
        Row("W1-100", "broadcast to 100, four under way", _MESSAGE),
        Row("W1-1000", "broadcast to 1000, four under way", _MESSAGE),
        Row("W1-4000", "broadcast to 4000, four under way", _MESSAGE),
        Row("W1-1000w1", "broadcast to 1000, one under way", _MESSAGE),
        Row("W1-1000s4", "broadcast to 1000, four shouters with one each", _MESSAGE),
        Row("W2", "echo with acks, 50 clients, window 8", _ROUND_TRIP),
        Row("W2w1", "echo with acks, 50 clients, window 1", _ROUND_TRIP),
        Row("W3", "handshake, websocket, namespace, goodbye", "µs/connection"),
        Row("W4-5000", "memory of an idle connection, of 5000", "kB/connection", 1e-3),
        Row("W5", "long-polling echo, 20 clients, window 8", _ROUND_TRIP),
        Row("W5w1", "long-polling echo, 20 clients, window 1", _ROUND_TRIP),
        Row("W6", "emit to one room of 10, of 1000 rooms", _MESSAGE),
        Row("W6-100", "emit to one room of 10, of 10 rooms", _MESSAGE),
        Row("idle-5000", "processor time of 5000 idle clients", "cores", 1),
    )
}


def needed(names: Iterable[str]) -> list[Generated]:
    """The runs of the load generator that give the rows of those names, each once.

    Raises ValueError for a name that is no row.
    """
    wanted = set(names)
    if unknown := wanted - set(ROWS):
        raise ValueError(
            f"no such workload: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}"
        )
    return [item for item in GENERATED.values() if wanted & set(item.rows)]
