"""A real server, and links to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from ..support.processes import need_module
from ..support.redis import Ear, RedisServer, quiet_port
from ..support.transcript import eventually
from ..support.workers import Worker, Workers

Listen = Callable[..., Ear]
#: The slots of each master of a cluster.
SHARES = [(0, 5000), (5001, 10000), (10001, 16383)]


@pytest.fixture(scope="session", autouse=True)
def packages() -> None:
    need_module("redis", "hiredis", requirement="sockio-wsgi[redis]")


@pytest.fixture(scope="session")
def redis_folder() -> Iterator[Path]:
    """The path of a Unix socket may have 107 bytes: pytest's own folders are deeper than that."""
    with TemporaryDirectory(prefix="redis") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def shared(redis_folder: Path) -> Iterator[RedisServer]:
    """For tests that leave it as it is."""
    server = RedisServer(redis_folder)
    yield server
    server.kill()


@pytest.fixture
def start_redis(redis_folder: Path) -> Iterator[Callable[..., RedisServer]]:
    """Start servers, with lines of their configuration. All are killed at the end."""
    started: list[RedisServer] = []

    def start(*lines: str, **options: Any) -> RedisServer:
        started.append(RedisServer(redis_folder, *lines, **options))
        return started[-1]

    yield start
    for each in started:
        each.thaw()
        each.kill()


@pytest.fixture
def server(start_redis: Callable[..., RedisServer]) -> RedisServer:
    """For tests that ill-treat it."""
    return start_redis()


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Make links: ``listen(url, "channel", ...)``. All are closed at the end."""
    made: list[Ear] = []

    def make(*args: Any, **options: Any) -> Ear:
        made.append(Ear(*args, **options))
        return made[-1]

    yield make
    for each in made:
        each.link.close()


@pytest.fixture
def hosts() -> Iterator[Callable[[], Workers]]:
    """Make hosts, each with workers of its own."""
    made: list[Workers] = []

    def make() -> Workers:
        made.append(Workers())
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def cluster(start_redis: Callable[..., RedisServer]) -> Callable[..., list[RedisServer]]:
    """Make a cluster of three masters, with lines of its configuration, and some replicas of one
    of them."""

    def make(*lines: str, replicas: int = 0, of: int = 2) -> list[RedisServer]:
        buses = [quiet_port() for _ in range(3 + replicas)]
        nodes = [
            start_redis(
                "cluster-enabled yes",
                f"cluster-port {bus}",
                f"cluster-config-file {bus}.conf",
                "cluster-require-full-coverage no",
                "repl-diskless-sync-delay 0",
                *lines,
            )
            for bus in buses
        ]
        masters, others = nodes[:3], nodes[3:]
        for number, (node, share) in enumerate(zip(masters, SHARES, strict=True)):
            node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.command("CLUSTER", "ADDSLOTSRANGE", *share)
        for node in nodes[1:]:
            node.command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, buses[0])

        def joined(node: RedisServer) -> bool:
            # Its state is "fail" for two seconds: channels do not mind. What is known counts a node
            # that is still shaking hands, too, which carries nothing yet.
            known = node.command("CLUSTER", "NODES").decode()
            if b"cluster_slots_assigned:16384" not in node.command("CLUSTER", "INFO"):
                return False
            return (
                len(known.splitlines()) == len(nodes)
                and "handshake" not in known
                and known.count("connected") == len(nodes)
                and "disconnected" not in known
            )

        eventually(lambda: all(map(joined, nodes)), "each knows all", timeout=60)
        for each in others:
            each.command("CLUSTER", "REPLICATE", masters[of].command("CLUSTER", "MYID"))

        def replicates(node: RedisServer) -> bool:
            return bool(node.command("INFO", "replication")["master_link_status"] == "up")

        eventually(lambda: all(map(replicates, others)), "the replicas are there", timeout=60)
        return nodes

    return make


@pytest.fixture
def nodes(cluster: Callable[..., list[RedisServer]]) -> list[RedisServer]:
    """A cluster of three."""
    made = cluster()
    ears = [Ear(each.url, "open").stands() for each in made]
    try:
        for number, ear in enumerate(ears):
            payload = b"%d" % number
            others = [each for each in ears if each is not ear]

            def carries(
                ear: Ear = ear, payload: bytes = payload, others: list[Ear] = others
            ) -> bool:
                ear.link.publish("open", payload)
                return all(payload in each.payloads for each in others)

            eventually(carries, "what one publishes is heard at all", timeout=60)
    finally:
        for each in ears:
            each.link.close()
    return made


def known_to_each_other(*hosts: list[Worker]) -> dict[Worker, str]:
    """Wait until each worker knows those of the other hosts; their names."""
    names = {}
    for host in hosts:
        for worker in host:
            for other in [each for others in hosts if others is not host for each in others]:
                found = worker.find(rf"process (\S+) of another host is there: .* {other.pid}\b")
                names[other] = found[1]
    return names
