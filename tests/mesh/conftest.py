"""Workers of one host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support.node import Node, SharedNode
from ..support.workers import Worker, Workers


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
