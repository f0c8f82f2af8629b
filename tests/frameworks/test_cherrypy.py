"""CherryPy: its session decides, and the request of the handshake is the client's from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import pytest

from ..support.servers import Served
from .contract import Contract, load


@pytest.fixture(scope="module")
def app() -> ModuleType:
    return load("cherrypy_app", "cherrypy", "CherryPy>=18.10")


@pytest.fixture(scope="module")
def site(app: ModuleType) -> Iterator[Served]:
    with Served(app.application, generation="0.9") as site:
        yield site


@pytest.fixture
def pages(app: ModuleType) -> Callable[..., Iterable[bytes]]:
    from cherrypy._cptree import Tree

    class Site:
        """Nothing is there."""

    pages = Tree()
    pages.mount(Site(), "", {"/": {"log.screen": False}})
    return pages  # type: ignore[no-any-return, unused-ignore]


class TestCherryPy(Contract):
    refusal = 401

    def request_type(self) -> type:
        from cherrypy._cprequest import Request

        request_type: type = Request
        return request_type

    def query_of(self, request: Any) -> str:
        query: str = request.query_string
        return query
