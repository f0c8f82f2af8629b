"""The figures: samples, their medians, and the JSON they are kept in."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .workloads import ROWS, Generated

__all__ = ["Figure", "Sample", "figures_of", "samples_of"]


@dataclass(frozen=True)
class Sample:
    """One row of one server in one round.

    ``cost`` is in the unit of the row; ``rate`` is messages a second and ``p50`` and ``p99`` are
    milliseconds, where the row has them. ``generator`` is the share of its core that the load
    generator used: near 1 it may have been the bottleneck of ``rate``, never of ``cost``.
    """

    server: str
    row: str
    round: int
    cost: float
    rate: float | None = None
    p50: float | None = None
    p99: float | None = None
    generator: float | None = None


@dataclass(frozen=True)
class Figure:
    """The medians of one row of one server, and the range of its costs."""

    server: str
    row: str
    cost: float
    lowest: float
    highest: float
    rounds: int
    rate: float | None = None
    p50: float | None = None
    p99: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def samples_of(
    workload: Generated, server: str, number: int, said: Mapping[str, Any]
) -> list[Sample]:
    """The rows that one run of the load generator gives."""
    elapsed = said["elapsed"]
    if workload.kind == "idle":
        grown = (said["rss_after"] - said["rss_before"]) / said["connections"]
        memory, idle = workload.rows
        return [
            Sample(server, memory, number, grown * ROWS[memory].factor),
            Sample(server, idle, number, said["server_cpu"] / elapsed * ROWS[idle].factor),
        ]
    return [
        Sample(
            server,
            workload.name,
            number,
            cost=said["server_cpu"] / said["messages"] * ROWS[workload.name].factor,
            rate=said["messages"] / elapsed,
            p50=said.get("p50_ms"),
            p99=said.get("p99_ms"),
            generator=said["generator_cpu"] / elapsed,
        )
    ]


def figures_of(samples: Iterable[Sample]) -> dict[tuple[str, str], Figure]:
    """The medians of all samples, by row and server."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.row, sample.server), []).append(sample)
    return {key: _figure(group) for key, group in groups.items()}


def _figure(group: list[Sample]) -> Figure:
    costs = [sample.cost for sample in group]
    return Figure(
        group[0].server,
        group[0].row,
        cost=statistics.median(costs),
        lowest=min(costs),
        highest=max(costs),
        rounds=len(group),
        rate=_median(sample.rate for sample in group),
        p50=_median(sample.p50 for sample in group),
        p99=_median(sample.p99 for sample in group),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
