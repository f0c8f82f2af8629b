"""Plots as SVG, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.ticker import LogLocator, NullLocator

from .results import Figure, Results
from .tables import number

__all__ = ["draw"]

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "sockio",  # the ids in the file come from it, instead of from chance
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
}
# One hue for ourselves, another for Node, a third for Python peers, grey for what is a floor.
COLOURS = {
    "sockio": "#c0392b",
    "sockio-plain": "#e67e22",
    "sockio-parked": "#f1b27a",
    "node09": "#1e6b3a",
    "node4": "#58b368",
    "pysio-gevent": "#2c5aa0",
    "pysio-uvicorn": "#7fa6dd",
    "floor": "#555555",
    "floor-joined": "#aaaaaa",
    "floor-gevent": "#b9a14e",
}
SPARE = ("#8e44ad", "#16a085", "#b7950b", "#d35490")
SIZES = {"W1-100": 100, "W1-1000": 1000, "W1-4000": 4000}
THROUGHPUT = ("W1-1000", "W1-1000w1", "W2", "W2w1", "W3", "W5", "W5w1")
LATENCY = ("W1-1000w1", "W2", "W5w1")
PERCENTILES = {"p50": "50 %", "p90": "90 %", "p99": "99 %", "p999": "99.9 %"}


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw what the results have figures for; returns the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with pyplot.rc_context(STYLE):
        for name, picture in (
            ("cost", _cost_against_size(results)),
            ("throughput", _throughput(results)),
            ("latency", _latency(results)),
        ):
            if picture is None:
                continue
            path = folder / f"{name}.svg"
            # Matplotlib would write the time of day, and its own version.
            picture.savefig(
                path,
                format="svg",
                bbox_inches="tight",
                metadata={"Date": None, "Creator": "sockio"},
            )
            pyplot.close(picture)
            drawn.append(path)
    return drawn


def _colours(results: Results) -> Mapping[str, str]:
    spare = iter(SPARE * 10)
    return {server: COLOURS.get(server) or next(spare) for server in results.servers}


def _cost_against_size(results: Results) -> Any:
    """What a delivery costs when there are more to deliver to."""
    figures, colours = results.figures, _colours(results)
    picture, axes = pyplot.subplots(figsize=(7, 4.2))
    lines = 0
    for server, title in results.servers.items():
        points = [
            (n, figures[row, server].cost) for row, n in SIZES.items() if (row, server) in figures
        ]
        if len(points) < 2:
            continue
        sizes, costs = zip(*points, strict=True)
        axes.plot(sizes, costs, marker="o", color=colours[server], label=title)
        lines += 1
    if not lines:
        pyplot.close(picture)
        return None
    axes.set_xscale("log")
    axes.set_xticks(list(SIZES.values()), [f"{size:,}" for size in SIZES.values()])
    axes.minorticks_off()
    _logarithmic(axes)
    axes.set_xlabel("clients that hear each broadcast")
    axes.set_ylabel("µs of the server's processor a delivery")
    axes.set_title("Cost of a broadcast, four under way", loc="left")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return picture


def _logarithmic(axes: Any) -> None:
    """A logarithmic scale with ticks at 1, 2, 5, 10, 20, 50..., which are easier to read off."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def _throughput(results: Results) -> Any:
    """Messages a second, one small panel for each workload; the floors would dwarf all servers."""
    rows = _present(results, THROUGHPUT)
    if not rows:
        return None
    colours = _colours(results)
    bars = {row: _servers_of(results, row) for row in rows}
    picture, panels = pyplot.subplots(
        len(rows),
        1,
        figsize=(7, sum(0.2 * len(servers) + 0.65 for servers in bars.values()) + 0.4),
        height_ratios=[len(servers) + 1 for servers in bars.values()],
        squeeze=False,
        layout="constrained",
    )
    for row, axes in zip(rows, panels[:, 0], strict=True):
        _bars(axes, row, {server: results.figures[row, server] for server in bars[row]}, colours)
        axes.set_yticks(range(len(bars[row])), [results.servers[server] for server in bars[row]])
    picture.suptitle("Messages, round trips or connections a second", x=0.01, ha="left")
    return picture


def _servers_of(results: Results, row: str) -> list[str]:
    return [
        server
        for server in results.servers
        if (row, server) in results.figures and not server.startswith("floor")
    ]


def _bars(axes: Any, row: str, figures: Mapping[str, Figure], colours: Mapping[str, str]) -> None:
    rates = [figure.rate or 0.0 for figure in figures.values()]
    bars = axes.barh(range(len(rates)), rates, color=[colours[server] for server in figures])
    axes.bar_label(bars, [number(rate) for rate in rates], padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, max(rates) * 1.15)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.tick_params(axis="x", labelsize=7)
    axes.set_title(row, loc="left", fontsize=9)


def _latency(results: Results) -> Any:
    """How long the luckiest half waits, and how long the last one."""
    rows = _present(results, LATENCY)
    if not rows:
        return None
    figures, colours = results.figures, _colours(results)
    picture, panels = pyplot.subplots(1, len(rows), figsize=(3.4 * len(rows), 3.8), squeeze=False)
    handles: dict[str, Any] = {}
    for row, axes in zip(rows, panels[0], strict=True):
        for server, title in results.servers.items():
            figure = figures.get((row, server))
            values = [getattr(figure, name) for name in PERCENTILES] if figure else []
            if not values or None in values:
                continue
            (handles[title],) = axes.plot(
                range(len(values)), values, marker="o", markersize=3, color=colours[server]
            )
        _logarithmic(axes)
        axes.set_xticks(range(len(PERCENTILES)), list(PERCENTILES.values()))
        axes.set_title(row, loc="left", fontsize=9)
    panels[0][0].set_ylabel("ms, at most, of that share of the messages")
    picture.legend(
        list(handles.values()), list(handles), loc="upper center", ncols=3, bbox_to_anchor=(0.5, 0)
    )
    picture.tight_layout()
    return picture


def _present(results: Results, names: Sequence[str]) -> list[str]:
    """Those rows which have rates and latencies of a server that is no floor."""
    timed = {row for (row, _), figure in results.figures.items() if figure.p50 is not None}
    return [name for name in names if name in timed and _servers_of(results, name)]
