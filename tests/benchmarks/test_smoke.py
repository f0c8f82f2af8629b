"""The load generator compiles, and agrees with sockio; nothing is said about how fast."""

from __future__ import annotations

import socket
from pathlib import Path

import gevent
import pytest

from benchmarks import generator
from benchmarks.field import chosen
from benchmarks.generator import BenchmarkError
from benchmarks.process import running
from benchmarks.runner import Job, Plan, Runner
from benchmarks.workloads import Generated

pytestmark = pytest.mark.skipif(generator.compiler() is None, reason="needs a C compiler")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.mark.parametrize(
    ("server", "workload"),
    [
        pytest.param("sockio", Generated("W2", clients=3, window=2), id="echo"),
        pytest.param(
            "sockio", Generated("W6", kind="broadcast", clients=6, window=2, room=3), id="room"
        ),
        pytest.param(
            "sockio", Generated("W5", kind="polling", clients=2, window=3), id="polling, own server"
        ),
        pytest.param(
            "sockio-plain", Generated("W5", kind="polling", clients=2, window=3), id="polling"
        ),
        pytest.param("sockio4", Generated("W2", clients=3, window=2), id="echo, 4.x"),
        pytest.param(
            "sockio4", Generated("W5", kind="polling", clients=2, window=3), id="polling, 4.x"
        ),
        pytest.param(
            "sockio4", Generated("W3-upgrade", kind="upgrade", clients=2), id="upgrade, 4.x"
        ),
        pytest.param(
            "sockio-mixed",
            Generated("W1-1000", kind="broadcast", clients=6, window=2, shouters=2),
            id="0.9 and 4.x in one room",
        ),
    ],
)
def test_every_message_comes_back_right(server: str, workload: Generated, cache: Path) -> None:
    plan = Plan(chosen([server]), [workload], seconds=0.1, warmup=0)
    (found,) = Runner(plan, cache).do(Job(0, plan.servers[0], workload))
    assert found.row == workload.name
    assert found.rate
    assert found.cost > 0


def test_a_server_that_says_something_else_fails_the_run(cache: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nno colons")
        connection.close()

    with listener:
        liar = gevent.spawn(answer)
        port = str(listener.getsockname()[1])
        program = generator.load_generator(cache)
        with pytest.raises(BenchmarkError, match="no session id in: no colons"):
            generator.run(program, ["--workload", "echo", "--port", port, "--clients", "1"])
        liar.get()


def test_a_server_that_does_not_start_says_why() -> None:
    command = ["sh", "-c", "echo the reason >&2; exit 3"]
    with pytest.raises(BenchmarkError, match=r"ended with 3[^$]*the reason"), running(command, 0):
        pass
