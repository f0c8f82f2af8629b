"""Bottle: a signed cookie decides; its one request object is replaced by one that stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType

import pytest

from ..support.servers import Served
from .contract import Contract, load


@pytest.fixture(scope="module")
def app() -> ModuleType:
    return load("bottle_app", "bottle", "bottle>=0.13")


@pytest.fixture(scope="module")
def site(app: ModuleType) -> Iterator[Served]:
    with Served(app.application, generation="0.9") as site:
        yield site


@pytest.fixture
def pages(app: ModuleType) -> Callable[..., Iterable[bytes]]:
    import bottle

    pages: Callable[..., Iterable[bytes]] = bottle.Bottle()
    return pages


class TestBottle(Contract):
    refusal = 401

    def request_type(self) -> type:
        import bottle

        request_type: type = bottle.Request
        return request_type
