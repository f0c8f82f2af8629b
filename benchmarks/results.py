"""The figures: samples, their medians, and the JSON that they are kept in."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .workloads import ROWS, Generated

__all__ = ["Figure", "Results", "Sample", "figures_of", "samples_of"]


@dataclass(frozen=True)
class Sample:
    """One row of one server in one round.

    ``cost`` is in the unit of the row; ``rate`` is messages a second and the percentiles are
    milliseconds, where the row has them. ``generator`` is the share of its core that the load
    generator used: near 1 it may have been the bottleneck of ``rate``, never of ``cost``.
    ``others`` is how many cores all other processes of the machine used meanwhile.
    """

    server: str
    row: str
    round: int
    cost: float
    rate: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    generator: float | None = None
    others: float | None = None


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
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None


@dataclass(frozen=True)
class Results:
    """All that one run of the suite found, and where."""

    samples: Sequence[Sample]
    #: Titles of the servers, in the order of the tables.
    servers: Mapping[str, str]
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    failures: Sequence[Mapping[str, Any]] = field(default_factory=list)

    @property
    def figures(self) -> dict[tuple[str, str], Figure]:
        """The medians, by row and server."""
        return figures_of(self.samples)

    def save(self, path: Path) -> None:
        """Write all of it as JSON, with the medians for whoever reads it without us."""
        content = {
            **asdict(self),
            "figures": [asdict(figure) for figure in self.figures.values()],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Results:
        """What :meth:`save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        del content["figures"]
        content["samples"] = [Sample(**sample) for sample in content["samples"]]
        return cls(**content)


def samples_of(
    workload: Generated, server: str, number: int, said: Mapping[str, float]
) -> list[Sample]:
    """The rows that one run of the load generator gives."""
    elapsed = said["elapsed"]
    others = said["others_cpu"] / elapsed
    if workload.kind == "idle":
        grown = (said["rss_after"] - said["rss_before"]) / said["connections"]
        memory, idle = workload.rows
        used = said["server_cpu"] / elapsed
        return [
            Sample(server, memory, number, grown * ROWS[memory].factor),
            Sample(server, idle, number, used * ROWS[idle].factor, others=others),
        ]
    return [
        Sample(
            server,
            workload.name,
            number,
            cost=said["server_cpu"] / said["messages"] * ROWS[workload.name].factor,
            rate=said["messages"] / elapsed,
            p50=said.get("p50_ms"),
            p90=said.get("p90_ms"),
            p99=said.get("p99_ms"),
            p999=said.get("p999_ms"),
            generator=said["generator_cpu"] / elapsed,
            others=others,
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
        p90=_median(sample.p90 for sample in group),
        p99=_median(sample.p99 for sample in group),
        p999=_median(sample.p999 for sample in group),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
