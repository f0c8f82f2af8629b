"""What the benchmarks make of what they measured: medians, verdicts, tables, the order of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.field import SERVERS, chosen, variant
from benchmarks.results import Figure, Results, Sample, figures_of, samples_of
from benchmarks.runner import Plan
from benchmarks.tables import cost_tables, number, page, target_table
from benchmarks.targets import TARGETS, Target, judge
from benchmarks.workloads import ROWS, WORKLOADS, Generated, needed


def sample(server: str, row: str, cost: float, **others: Any) -> Sample:
    return Sample(server, row, others.pop("round", 0), cost, **others)


def costs(**of_row: float) -> dict[tuple[str, str], Figure]:
    """Figures by "server__row", a hyphen being written as one underscore."""
    samples = []
    for name, cost in of_row.items():
        server, row = name.split("__")
        samples.append(sample(server.replace("_", "-"), row.replace("_", "-"), cost))
    return figures_of(samples)


# -- medians --------------------------------------------------------------------------------------


def test_a_figure_is_the_median_of_the_rounds_and_keeps_their_range() -> None:
    rounds = [sample("sockio", "W2", cost, round=i) for i, cost in enumerate((9.0, 30.0, 8.0))]
    figure = figures_of(rounds)["W2", "sockio"]
    assert (figure.cost, figure.lowest, figure.highest, figure.rounds) == (9.0, 8.0, 30.0, 3)


def test_what_a_row_does_not_have_stays_unknown() -> None:
    assert figures_of([sample("sockio", "W7", 0.2)])["W7", "sockio"].rate is None


def test_a_run_of_the_generator_gives_cost_rate_and_percentiles() -> None:
    said = {
        "messages": 200_000,
        "elapsed": 2.0,
        "server_cpu": 1.0,
        "generator_cpu": 0.5,
        "others_cpu": 0.2,
        "p50_ms": 1.5,
        "p99_ms": 3.0,
    }
    (found,) = samples_of(Generated("W2"), "sockio", 1, said)
    assert found.cost == pytest.approx(5.0)  # microseconds
    assert (found.rate, found.p50, found.p99) == (100_000, 1.5, 3.0)
    assert (found.generator, found.others) == (0.25, 0.1)


def test_a_run_of_idle_clients_gives_memory_and_the_share_of_a_core() -> None:
    said = {
        "messages": 0,
        "elapsed": 10.0,
        "server_cpu": 0.02,
        "generator_cpu": 0.0,
        "others_cpu": 0.0,
        "connections": 5000,
        "rss_before": 50_000_000,
        "rss_after": 90_000_000,
    }
    memory, idle = samples_of(Generated("idle-5000", kind="idle", clients=5000), "sockio", 0, said)
    assert (memory.row, memory.cost) == ("W4-5000", 8.0)  # kB
    assert (idle.row, idle.cost) == ("idle-5000", 0.002)


def test_results_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    results = Results([sample("sockio", "W2", 9.0)], {"sockio": "sockio"}, commit="abc")
    results.save(tmp_path / "latest.json")
    assert Results.load(tmp_path / "latest.json") == results


# -- targets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mine", "met"),
    [
        pytest.param(5.9, True, id="below"),
        pytest.param(6.0, True, id="exactly at the limit"),
        pytest.param(6.1, False, id="above"),
    ],
)
def test_a_target_against_a_peer_is_a_ratio_of_the_same_run(mine: float, met: bool) -> None:
    target = Target("W2", "", 0.6, against=[("W2", "node09")])
    (verdict,) = judge(costs(sockio__W2=mine, node09__W2=10.0), [target])
    assert (verdict.met, verdict.reference) == (met, 10.0)
    assert verdict.ratio == pytest.approx(mine / 10)


def test_against_several_peers_the_best_of_them_counts() -> None:
    target = Target("W5", "", 0.5, against=[("W5", "pysio-gevent"), ("W5", "pysio-uvicorn")])
    figures = costs(sockio__W5=20.0, pysio_gevent__W5=100.0, pysio_uvicorn__W5=30.0)
    (verdict,) = judge(figures, [target])
    assert (verdict.met, verdict.limit) == (False, 15.0)


def test_a_missing_peer_leaves_a_target_open_instead_of_met() -> None:
    target = Target("W5", "", 0.5, against=[("W5", "pysio-gevent"), ("W5", "pysio-uvicorn")])
    (verdict,) = judge(costs(sockio__W5=1.0, pysio_gevent__W5=100.0), [target])
    assert verdict.met is None


def test_fairness_is_the_ratio_of_two_percentiles() -> None:
    figures = figures_of([sample("sockio", "W2", 9.0, p50=2.0, p99=6.0)])
    fair = next(target for target in TARGETS if target.unit == "× p50")
    (verdict,) = judge(figures, [fair])
    assert (verdict.figure, verdict.met) == (3.0, False)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.row}: {target.text}")
def test_every_target_is_about_something_that_is_measured(target: Target) -> None:
    for row, server in [(target.row, target.server), *target.against]:
        assert row in SERVERS[server].rows


# -- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(None, "", id="unknown"),
        pytest.param(0, "0", id="nothing"),
        pytest.param(0.00001, "< 0.0001", id="next to nothing"),
        pytest.param(0.0021, "0.0021", id="small"),
        pytest.param(5.432, "5.43", id="one digit"),
        pytest.param(17.12, "17.1", id="two digits"),
        pytest.param(99.97, "100", id="rounded up to three"),
        pytest.param(12_345.6, "12,346", id="many digits"),
    ],
)
def test_numbers_show_what_counts(value: float | None, text: str) -> None:
    assert number(value) == text


RESULTS = Results(
    [
        sample("sockio", "W2", 9.0, rate=110_000.0, p50=3.5, p99=5.0, others=0.04),
        sample("node09", "W2", 18.0, rate=55_000.0, p50=7.0, p99=9.0, others=0.02),
    ],
    {"sockio": "sockio, SocketIOServer", "node09": "Node, socket.io 0.9", "floor": "C"},
    versions={"node09": {"Node": "20"}},
    failures=[{"workload": "W3", "server": "node09", "round": 0, "error": "it went wrong"}],
)


def test_a_cost_stands_beside_its_ratio_to_the_reference() -> None:
    (table,) = cost_tables(RESULTS)
    assert table.splitlines()[2:] == [
        "| server | W2<br>µs/round trip |",
        "| --- | --- |",
        "| sockio, SocketIOServer | 9.00 (0.50) |",
        "| Node, socket.io 0.9 | 18.0 |",
    ]


def test_the_page_says_rates_versions_and_what_failed() -> None:
    text = page(RESULTS)
    assert "110,000/s 3.50 / 5.00" in text
    assert "Node, socket.io 0.9: Node 20" in text
    assert "failed: W3 of node09: it went wrong" in text


def test_each_target_is_called_met_not_met_or_not_measured() -> None:
    text = target_table(judge(costs(sockio__W7=0.3, sockio__W4_5000=9.0)))
    lines = {line.split(" | ")[1]: line for line in text.splitlines()}
    assert lines["at most 1 µs"].endswith("| met |")
    assert lines["at most 8 kB, detached"].endswith("| **not met** |")
    assert lines["below 0.002 of a core"].endswith("| not measured |")


# -- what is run ----------------------------------------------------------------------------------


def test_every_row_comes_from_exactly_one_workload() -> None:
    made = [row for workload in WORKLOADS for row in workload.rows]
    assert sorted(made) == sorted(ROWS)


def test_rows_are_asked_for_by_name_and_share_a_run() -> None:
    assert [item.name for item in needed(["idle-5000", "W4-5000"])] == ["idle-5000"]
    with pytest.raises(ValueError, match="no such workload: W9"):
        needed(["W9"])


def test_rounds_are_interleaved_and_servers_neighbours() -> None:
    plan = Plan(chosen(["sockio", "node09"]), needed(["W2", "W2w1", "W4-5000", "W7"]), rounds=2)
    ran = [(job.round, job.workload.name, job.server.name) for job in plan.jobs()]
    once = [(0, "idle-5000", "sockio"), (0, "idle-5000", "node09")]  # memory hardly varies
    for number_of_round in (0, 1):
        expected = [
            (number_of_round, "W2", "sockio"),
            (number_of_round, "W2", "node09"),
            (number_of_round, "W2w1", "sockio"),
            (number_of_round, "W2w1", "node09"),
            (number_of_round, "W7", "sockio"),
        ]
        assert [entry for entry in ran if entry[0] == number_of_round and entry not in once] == (
            expected
        )
    assert [entry for entry in ran if entry[1] == "idle-5000"] == once


def test_a_variant_is_sockio_with_other_settings() -> None:
    server = variant('small@sockio-plain={"max_inbox": 10}')
    assert server.name == "small"
    assert server.arguments == ("--server", "plain", "--settings", '{"max_inbox": 10}')


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("orjson", id="no settings"),
        pytest.param("orjson={}", id="empty settings"),
        pytest.param("orjson=[1]", id="no object"),
        pytest.param('={"max_inbox": 10}', id="no name"),
        pytest.param('node09={"max_inbox": 10}', id="the name of another"),
        pytest.param('x@node09={"max_inbox": 10}', id="of a server that is not ours"),
    ],
)
def test_a_variant_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--variant"):
        variant(text)


def test_a_server_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"no such server: node; there are sockio, "):
        chosen(["node"])
