"""Finding the middleware in what a server is given."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.integrations.wrapped import as_wrapped, middlewares_in
from sockio.server import SocketIOServer, find_middleware

from ..support.servers import not_ours

app = SocketIOMiddleware(not_ours, {"": BaseNamespace})


class Holder:
    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return not_ours(environ, start_response)

    @property
    def trap(self) -> Any:
        raise AssertionError("properties are not read")


def closure(inner: Any) -> Any:
    return lambda environ, start_response: inner(environ, start_response)


@pytest.mark.parametrize(
    "outer",
    [
        pytest.param(app, id="itself"),
        pytest.param(Holder(wsgi_app=app), id="Flask's attribute"),
        pytest.param(Holder(application=Holder(app=app)), id="two around it"),
        pytest.param(closure(app), id="a function around it"),
        pytest.param(functools.partial(closure, app), id="a partial"),
        pytest.param(Holder(mounts={"/live": app}), id="mounted"),
        pytest.param(Holder(applications=[(("", "/live"), app)]), id="in a URL map"),
        pytest.param(Holder(app=app).__call__, id="a method"),
    ],
)
def test_the_middleware_is_found(outer: Any) -> None:
    assert middlewares_in(outer) == [app]
    assert find_middleware(as_wrapped(outer)) is app


def test_where_there_is_none() -> None:
    outer: Any = Holder(itself=None, number=1)
    outer.itself = outer
    assert middlewares_in(outer) == []
    assert as_wrapped(outer) is outer


def test_several() -> None:
    other = SocketIOMiddleware(not_ours, {"": BaseNamespace})
    assert middlewares_in(Holder(mounts={"/a": app, "/b": other})) == [app, other]


def test_a_server_does_not_wrap_it_twice() -> None:
    outer = closure(app)
    server = SocketIOServer(("127.0.0.1", 0), as_wrapped(outer))
    assert server.middleware is app
    assert "app" in vars(server.application)
