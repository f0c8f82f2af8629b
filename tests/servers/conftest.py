"""The real JavaScript client, shared by all tests of servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support.node import Node, SharedNode
from .contract import Served


@pytest.fixture
def node(shared_node: SharedNode) -> Iterator[Node]:
    yield from shared_node.use()


@pytest.fixture(scope="class")
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    """The server of a :class:`~.contract.ServerContract`, for all tests of the class."""
    with request.cls.serving() as server:
        yield server
