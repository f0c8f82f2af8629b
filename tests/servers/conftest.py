"""The real JavaScript client, shared by all tests of servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support.node import Node
from .contract import Served


@pytest.fixture(scope="session")
def running_nodes() -> Iterator[list[Node]]:
    """The node process that tests share, while it lives."""
    nodes: list[Node] = []
    yield nodes
    for node in nodes:
        node.kill()


@pytest.fixture
def node(running_nodes: list[Node]) -> Iterator[Node]:
    if running_nodes and not running_nodes[0].alive:
        running_nodes.pop().kill()
    if not running_nodes:
        running_nodes.append(Node())
    yield running_nodes[0]
    running_nodes[0].forget_all()


@pytest.fixture(scope="class")
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    """The server of a :class:`~.contract.ServerContract`, for all tests of the class."""
    with request.cls.serving() as server:
        yield server
