"""The workloads: what the clients do, and the rows of figures that come of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "QUICK",
    "ROWS",
    "WORKLOADS",
    "Generated",
    "Row",
    "Scripted",
    "Started",
    "Workload",
    "needed",
]


@dataclass(frozen=True)
class Row:
    """One row of figures, as targets and tables name it.

    ``factor`` makes the figure, in ``unit``, of what is measured: seconds, bytes, or cores.
    """

    name: str
    title: str
    unit: str
    factor: float = 1e6


ROWS = {
    row.name: row
    for row in (
        Row("W1-100", "broadcast to 100, four under way", "µs/delivery"),
        Row("W1-1000", "broadcast to 1000, four under way", "µs/delivery"),
        Row("W1-4000", "broadcast to 4000, four under way", "µs/delivery"),
        Row("W1-1000w1", "broadcast to 1000, one under way", "µs/delivery"),
        Row("W1-1000s4", "broadcast to 1000, four clients with one under way each", "µs/delivery"),
        Row("W2", "echo with acks, 50 clients with 8 under way each", "µs/round trip"),
        Row("W2w1", "echo with acks, 50 clients with one under way each", "µs/round trip"),
        Row("W3", "handshake, websocket, namespace, goodbye", "µs/connection"),
        Row(
            "W3-upgrade", "handshake and namespace by polling, websocket, goodbye", "µs/connection"
        ),
        Row("W4-5000", "memory of each of 5000 idle connections", "kB/connection", 1e-3),
        Row("W5", "long-polling echo, 20 clients with 8 under way each", "µs/round trip"),
        Row("W5w1", "long-polling echo, 20 clients with one under way each", "µs/round trip"),
        Row("W5-alone", "long-polling echo, one client with one under way", "µs/round trip"),
        Row("W6", "emit to one room of 10, of 1000 such rooms", "µs/delivery"),
        Row("W6-100", "emit to one room of 10, of 10 such rooms", "µs/delivery"),
        Row("W7", "what a request pays that is not Socket.IO's", "µs/request"),
        Row(
            "idle-5000",
            "processor time of 5000 idle clients, one heartbeat of each",
            "cores",
            1,
        ),
        Row("import", "import sockio.server, gevent being there", "ms", 1e3),
        Row("start-cpu", "processor time until the server listens", "ms", 1e3),
        Row("start-rss", "memory of a server that nobody uses", "MB", 1e-6),
    )
}


@dataclass(frozen=True)
class Workload:
    """Something to be run once a round, for one or more rows."""

    name: str
    #: Rounds at most: what hardly varies, or takes long, need not be repeated.
    rounds: int | None = None

    @property
    def rows(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True)
class Generated(Workload):
    """A run of the load generator against a fresh server."""

    kind: str = "echo"
    clients: int = 1
    window: int = 1
    shouters: int = 1
    room: int = 0
    #: Seconds to measure at least, whatever was asked for.
    at_least: float = 0

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


@dataclass(frozen=True)
class Scripted(Workload):
    """A script which prints one JSON object; ``member`` of it is the figure, in seconds."""

    #: It is about sockio itself, in the process of the script.
    server: ClassVar[str] = "sockio"
    script: str = ""
    member: str = ""


@dataclass(frozen=True)
class Started(Workload):
    """A server is started, and looked at before anybody uses it."""

    @property
    def rows(self) -> tuple[str, ...]:
        return ("start-cpu", "start-rss")


WORKLOADS: tuple[Workload, ...] = (
    Generated("W1-100", kind="broadcast", clients=100, window=4),
    Generated("W1-1000", kind="broadcast", clients=1000, window=4),
    Generated("W1-4000", kind="broadcast", clients=4000, window=4),
    Generated("W1-1000w1", kind="broadcast", clients=1000),
    Generated("W1-1000s4", kind="broadcast", clients=1000, window=4, shouters=4),
    Generated("W2", kind="echo", clients=50, window=8),
    Generated("W2w1", kind="echo", clients=50),
    Generated("W3", kind="connect", clients=16),
    # So many at a time because Node's server leaves the held poll for 100 ms.
    Generated("W3-upgrade", kind="upgrade", clients=64),
    Generated("W5", kind="polling", clients=20, window=8),
    Generated("W5w1", kind="polling", clients=20),
    Generated("W5-alone", kind="polling", clients=1),
    Generated("W6", 2, kind="broadcast", clients=10_000, window=4, room=10),
    Generated("W6-100", kind="broadcast", clients=100, window=4, room=10),
    Scripted("W7", script="servers/middleware_cost.py", member="added"),
    Scripted("import", script="servers/import_cost.py", member="sockio"),
    Started("start"),
    Generated("idle-5000", 1, kind="idle", clients=5000, at_least=25),
)

#: Rows that say within two minutes whether anything is badly wrong.
QUICK = ("W1-100", "W1-1000", "W1-1000w1", "W2", "W2w1", "W3", "W5", "W5w1", "W6-100", "W7")


def needed(names: Iterable[str]) -> list[Workload]:
    """The workloads that give the rows of those names, each once.

    Raises ValueError for a name that is no row.
    """
    wanted = set(names)
    if unknown := wanted - set(ROWS):
        raise ValueError(
            f"no such workload: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}"
        )
    return [item for item in WORKLOADS if wanted & set(item.rows)]
