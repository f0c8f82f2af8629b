"""Browsers that are closed at the end of their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sockio.testing import Browser

from ..support.servers import Served


@pytest.fixture
def visit() -> Iterator[Callable[[Served], Browser]]:
    """Open a browser for a server: ``visit(server).get("/")``."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(Browser(server.url))
