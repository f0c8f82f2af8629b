"""A real server, and links to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from ..support.processes import need_module
from ..support.redis import Ear, RedisServer
from ..support.workers import Worker, Workers

Listen = Callable[..., Ear]


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


def known_to_each_other(*hosts: list[Worker]) -> dict[Worker, str]:
    """Wait until each worker knows those of the other hosts; their names."""
    names = {}
    for host in hosts:
        for worker in host:
            for other in [each for others in hosts if others is not host for each in others]:
                found = worker.find(rf"process (\S+) of another host is there: .* {other.pid}\b")
                names[other] = found[1]
    return names
