"""Workers of one host: processes of ``worker.py`` that have a directory in common."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..support.node import Node, SharedNode
from ..support.processes import Process, free_port

WORKER = Path(__file__).with_name("worker.py")


class Worker(Process):
    """One, which listens at a port of its own beside the shared one."""

    def __init__(self, mesh: Path, shared: int, **options: Any) -> None:
        super().__init__(
            [sys.executable, str(WORKER), str(shared), json.dumps(options)],
            WORKER.parent,
            SOCKIO_MESH=str(mesh),
        )
        self.port = 0
        self.stopped = False

    def ready(self) -> Worker:
        self.port = int(self.find(r"port (\d+)")[1])
        return self

    def pause(self) -> None:
        self.stopped = True
        self.send(signal.SIGSTOP)

    def go_on(self) -> None:
        self.stopped = False
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        if self.stopped:
            self.go_on()
        super().kill()


class Workers:
    """Some of them. ``shared`` is the port that all listen at."""

    def __init__(self) -> None:
        # A short path: that of a socket has a hundred bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="mesh"))
        self.mesh = self.folder / "m"
        self.shared = free_port()
        self.all: list[Worker] = []

    def start(self, count: int = 2, **options: Any) -> list[Worker]:
        new = [Worker(self.mesh, self.shared, **options) for _ in range(count)]
        self.all += new
        return [each.ready() for each in new]

    def close(self) -> None:
        for each in self.all:
            each.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def workers() -> Iterator[Workers]:
    some = Workers()
    yield some
    some.close()


@pytest.fixture(scope="module")
def pair() -> Iterator[list[Worker]]:
    """Two that no test stops or kills."""
    some = Workers()
    yield some.start(2)
    some.close()


@pytest.fixture(scope="module")
def slow_pair() -> Iterator[list[Worker]]:
    """The same, all of whose requests are read by gevent.pywsgi."""
    some = Workers()
    yield some.start(2, without=["http", "detach"])
    some.close()


@pytest.fixture
def node(shared_node: SharedNode) -> Iterator[Node]:
    yield from shared_node.use()
