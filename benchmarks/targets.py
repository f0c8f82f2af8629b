"""What sockio promises itself, each target beside its figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .results import Figure
from .workloads import ROWS

__all__ = ["TARGETS", "Target", "Verdict", "judge"]

Figures = Mapping[tuple[str, str], Figure]


def _cost(figure: Figure) -> float | None:
    return figure.cost


def _p50(figure: Figure) -> float | None:
    return figure.p50


def _fairness(figure: Figure) -> float | None:
    """How many times the median the slowest hundredth waits."""
    return figure.p99 / figure.p50 if figure.p50 and figure.p99 else None


@dataclass(frozen=True)
class Target:
    """A figure of ``server`` that is to be at most ``limit``.

    With ``against``, pairs of row and server, the limit counts in the least of their figures; the
    first is what the text calls them by.
    """

    row: str
    text: str
    limit: float
    server: str = "sockio"
    against: Sequence[tuple[str, str]] = ()
    of: Callable[[Figure], float | None] = _cost
    unit: str = ""


@dataclass(frozen=True)
class Verdict:
    """A target beside its figure; ``met`` is None where a figure is missing."""

    target: Target
    figure: float | None
    reference: float | None
    limit: float | None

    @property
    def met(self) -> bool | None:
        if self.figure is None or self.limit is None:
            return None
        return self.figure <= self.limit

    @property
    def ratio(self) -> float | None:
        """The figure in references; None for a target that has none."""
        if self.figure is None or not self.reference:
            return None
        return self.figure / self.reference


def _than(row: str, limit: float, peer: str, name: str, server: str = "sockio") -> Target:
    return Target(row, f"at most {limit:.2f} × {name}", limit, server, [(row, peer)])


def _than_python(row: str, limit: float) -> Target:
    best = [(row, "pysio-gevent"), (row, "pysio-uvicorn")]
    return Target(row, f"at most {limit:.2f} × best Python peer", limit, "sockio-plain", best)


TARGETS: tuple[Target, ...] = (
    _than("W1-1000w1", 0.60, "node09", "Node 0.9"),
    _than("W1-1000w1", 1.25, "floor", "C floor"),
    _than("W1-1000", 0.30, "node09", "Node 0.9"),
    _than("W1-4000", 0.30, "node09", "Node 0.9"),
    _than("W2", 0.85, "node4", "Node 4"),
    Target("W2", "p99 at most 2.5 × p50", 2.5, of=_fairness, unit="× p50"),
    _than("W2w1", 0.80, "node09", "Node 0.9"),
    _than("W3", 1.0, "node09", "Node 0.9", "sockio-plain"),
    _than("W3", 0.60, "node09", "Node 0.9"),
    Target("W4-5000", "at most 8 kB, detached", 8),
    Target("W4-5000", "at most 20 kB, with a greenlet", 20, "sockio-parked"),
    _than_python("W5w1", 0.40),
    Target("W5w1", "p50 below 1 ms", 1, "sockio-plain", of=_p50, unit="ms"),
    # Twenty clients who never rest wait for each other: 20 times the cost at least, and no server
    # needing more than 50 µs can stay below 1 ms. Whether one stalls is seen with a single client.
    Target(
        "W5-alone", "p50 below 1 ms, nobody else waiting", 1, "sockio-plain", of=_p50, unit="ms"
    ),
    _than("W5w1", 1.0, "node09", "Node 0.9"),
    _than_python("W5", 0.60),
    _than("W5", 1.0, "node09", "Node 0.9"),
    _than("W1-1000", 0.30, "node4", "Node 4", "sockio4"),
    _than("W1-1000w1", 0.70, "node4", "Node 4", "sockio4"),
    _than("W2", 0.60, "node4", "Node 4", "sockio4"),
    _than("W2w1", 0.90, "node4", "Node 4", "sockio4"),
    _than("W3", 0.85, "node4", "Node 4", "sockio4"),
    _than("W3-upgrade", 0.85, "node4", "Node 4", "sockio4"),
    _than("W5", 0.75, "node4", "Node 4", "sockio4"),
    _than("W5w1", 0.95, "node4", "Node 4", "sockio4"),
    Target("W4-5000", "at most 6 kB, detached", 6, "sockio4"),
    # A tenth more is what runs differ by.
    Target(
        "W1-1000",
        "no more than the room of either: 1.10 ×",
        1.1,
        "sockio-mixed",
        [("W1-1000", "sockio"), ("W1-1000", "sockio4")],
    ),
    Target("W7", "at most 1 µs", 1),
    Target("idle-5000", "below 0.002 of a core", 0.002),
    Target("W1-4000", "at most 1.20 × W1-100", 1.2, against=[("W1-100", "sockio")]),
    # Not 1: ten thousand sockets are not in the processor's caches, whoever serves them.
    Target(
        "W6", "independent of other sockets: 1.20 × W6-100", 1.2, against=[("W6-100", "sockio")]
    ),
)


def judge(figures: Figures, targets: Sequence[Target] = TARGETS) -> list[Verdict]:
    """Each target beside what was measured."""
    return [_judge(figures, target) for target in targets]


def _judge(figures: Figures, target: Target) -> Verdict:
    mine = figures.get((target.row, target.server))
    value = None if mine is None else target.of(mine)
    if not target.against:
        return Verdict(target, value, None, target.limit)
    peers = [figures[key].cost for key in target.against if key in figures]
    # The best of several is only known when all are there.
    reference = min(peers) if len(peers) == len(target.against) else None
    limit = None if reference is None else reference * target.limit
    return Verdict(target, value, reference, limit)


def unit_of(target: Target) -> str:
    """The unit that the figures of a target are in."""
    return target.unit or ROWS[target.row].unit
