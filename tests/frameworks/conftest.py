"""Browsers that are closed at the end of their test, and the real client in node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sockio.testing import Browser

from ..support.node import Node, SharedNode
from ..support.servers import Served


@pytest.fixture
def visit() -> Iterator[Callable[[Served], Browser]]:
    """Open a browser for a server: ``visit(server).get("/")``."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(Browser(server.url, generation="0.9"))


@pytest.fixture
def node(shared_node: SharedNode, serve: Callable[..., Served]) -> Iterator[Node]:
    """A node process for real clients, which leave before the servers do."""
    yield from shared_node.use()
