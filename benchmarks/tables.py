"""Markdown tables: costs, rates and latencies, and the targets beside their figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .field import REFERENCE
from .results import Figure, Results
from .targets import Verdict, judge, unit_of
from .workloads import ROWS

__all__ = ["cost_tables", "markdown", "number", "page", "rate_tables", "target_table"]

#: Rows that share a table.
GROUPS = (
    ("Broadcast", ("W1-100", "W1-1000", "W1-4000", "W1-1000w1", "W1-1000s4", "W6", "W6-100")),
    ("Echo, connections, long-polling", ("W2", "W2w1", "W3", "W5", "W5w1", "W5-alone")),
    ("Memory, idleness, start", ("W4-5000", "idle-5000", "W7", "start-cpu", "start-rss", "import")),
)


def number(value: float | None) -> str:
    """Three digits that count, and no exponent: 0.0021, 5.43, 17.1, 346, 12,300."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 9.995 else 2
    if abs(value) < 0.1:
        return f"{value:.4f}".rstrip("0") if abs(value) >= 0.00005 else "< 0.0001"
    return f"{value:.{digits}f}"


def markdown(results: Results) -> dict[str, str]:
    """The tables of a run by name: "targets", "costs", "rates", "workloads" and "machine"."""
    return {
        "targets": target_table(judge(results.figures)),
        "costs": "\n\n".join(
            [
                "Medians; in parentheses the ratio to " + _title(results, REFERENCE) + ".",
                *cost_tables(results),
            ]
        ),
        "rates": "\n\n".join(
            [
                "Messages a second, and p50 / p99 in milliseconds: of a whole broadcast, of a "
                "round trip, of a connection until it is in its namespace.",
                *rate_tables(results),
            ]
        ),
        "workloads": workload_table(results),
        "machine": about(results),
    }


def page(results: Results) -> str:
    """All of it as one document."""
    heads = {
        "targets": "Targets",
        "costs": "Processor time and memory",
        "rates": "Rates and latencies",
        "workloads": "Workloads",
        "machine": "The machine",
    }
    texts = markdown(results)
    return "\n\n".join(f"## {head}\n\n{texts[name]}" for name, head in heads.items()) + "\n"


def workload_table(results: Results) -> str:
    """What the names of the rows mean."""
    measured = {row for row, _ in results.figures}
    rows = [[row.name, row.title, row.unit] for row in ROWS.values() if row.name in measured]
    return _table(["name", "what happens", "unit"], rows)


def about(results: Results) -> str:
    """Where and with what the figures were made."""
    lines = [f"* {name}: {value}" for name, value in results.machine.items()]
    for server, versions in results.versions.items():
        if versions and server in results.servers:
            shown = ", ".join(f"{name} {version}" for name, version in versions.items())
            lines.append(f"* {results.servers[server]}: {shown}")
    if results.commit:
        lines.append(f"* commit {results.commit}")
    others = [sample.others for sample in results.samples if sample.others is not None]
    if others:
        busy = sorted(others)[len(others) // 2]
        lines.append(f"* used by everything else on the machine: {busy:.2f} of a core (median)")
    lines += [
        f"* failed: {failure['workload']} of {failure['server']}: {failure['error']}"
        for failure in results.failures
    ]
    return "\n".join(lines)


def target_table(verdicts: Iterable[Verdict]) -> str:
    """Each target, its figure, and whether it is met."""
    rows = []
    for verdict in verdicts:
        target = verdict.target
        words = {True: "met", False: "**not met**", None: "not measured"}
        ratio = "" if verdict.ratio is None else f"{verdict.ratio:.2f} ×"
        rows.append(
            [
                f"{target.row}, {target.server}",
                target.text,
                f"{number(verdict.figure)} {unit_of(target)}" if verdict.figure is not None else "",
                number(verdict.reference),
                ratio,
                words[verdict.met],
            ]
        )
    return _table(["workload", "target", "figure", "reference", "ratio", ""], rows)


def cost_tables(results: Results) -> list[str]:
    """What each message, connection or request costs, server by server."""
    tables = []
    figures = results.figures
    for title, names in GROUPS:
        rows = [name for name in names if any(row == name for row, _ in figures)]
        if not rows:
            continue
        body = []
        for server, label in results.servers.items():
            cells = [
                _cost(figures.get((row, server)), figures.get((row, REFERENCE))) for row in rows
            ]
            if any(cells):
                body.append([label, *cells])
        heads = [f"{row}<br>{ROWS[row].unit}" for row in rows]
        tables.append(f"### {title}\n\n" + _table(["server", *heads], body))
    return tables


def _cost(figure: Figure | None, reference: Figure | None) -> str:
    if figure is None:
        return ""
    if reference is None or figure is reference or not reference.cost or figure.cost <= 0:
        return number(figure.cost)
    return f"{number(figure.cost)} ({figure.cost / reference.cost:.2f})"


def rate_tables(results: Results) -> list[str]:
    """Rates and latencies, in the same groups."""
    tables = [_rate_table(results, names) for _, names in GROUPS]
    return [table for table in tables if table]


def _rate_table(results: Results, names: Sequence[str]) -> str:
    """Rates and latencies of some rows; empty when none has any."""
    figures = results.figures
    timed = {row for (row, _), figure in figures.items() if figure.rate is not None}
    rows = [name for name in names if name in timed]
    body = []
    for server, label in results.servers.items():
        cells = []
        for row in rows:
            figure = figures.get((row, server))
            if figure is None or figure.rate is None:
                cells.append("")
            else:
                cells.append(f"{figure.rate:,.0f}/s {number(figure.p50)} / {number(figure.p99)}")
        if any(cells):
            body.append([label, *cells])
    return _table(["server", *rows], body) if rows else ""


def _title(results: Results, server: str) -> str:
    return results.servers.get(server, server)


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
