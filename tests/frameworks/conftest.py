"""Browsers that are closed at the end of their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ..support.http_client import Browser
from ..support.servers import Served


@pytest.fixture
def visit() -> Iterator[Callable[[Served], Browser]]:
    """Open a browser for a server: ``visit(server).get("/")``."""
    browsers: list[Browser] = []

    def open_one(server: Served) -> Browser:
        browsers.append(Browser(server.url))
        return browsers[-1]

    yield open_one
    for browser in browsers:
        browser.close()
