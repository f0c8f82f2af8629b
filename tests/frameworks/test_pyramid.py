"""Pyramid: its session decides, and the request goes on being one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import pytest

from sockio import BaseNamespace, SocketIOMiddleware, socketio_manage

from ..support.generations import FIRST_REQUESTS, Way, admits
from ..support.servers import Served
from .contract import Contract, Visit, load


@pytest.fixture(scope="module")
def app() -> ModuleType:
    return load("pyramid_app", "pyramid", "pyramid>=2.1")


@pytest.fixture(scope="module")
def site(app: ModuleType) -> Iterator[Served]:
    with Served(app.application, generation="0.9") as site:
        yield site


@pytest.fixture
def pages(app: ModuleType) -> Callable[..., Iterable[bytes]]:
    from pyramid.config import Configurator

    pages: Callable[..., Iterable[bytes]] = Configurator().make_wsgi_app()
    return pages


class TestPyramid(Contract):
    refusal = 403

    def request_type(self) -> type:
        from pyramid.request import Request

        request_type: type = Request
        return request_type


def site_with(view: Callable[[Any], Any]) -> SocketIOMiddleware:
    from pyramid.config import Configurator

    with Configurator() as config:
        config.add_route("socketio", "/socket.io/*rest")
        config.add_view(view, route_name="socketio")
        return SocketIOMiddleware(config.make_wsgi_app())


def attach(request: Any) -> None:
    socketio_manage(request.environ, {"/chat": BaseNamespace}, request)


def yes(request: Any) -> Any:
    attach(request)
    return request.response


def no_by_redirect(request: Any) -> Any:
    from pyramid.httpexceptions import HTTPFound

    attach(request)
    return HTTPFound("/login")


def no_by_raising_401(request: Any) -> Any:
    from pyramid.httpexceptions import HTTPUnauthorized

    attach(request)
    raise HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="chat"'})


def no_by_silence(request: Any) -> Any:
    return request.response


def no_by_failing(request: Any) -> Any:
    attach(request)
    raise RuntimeError("the database is away")


ANSWERS = [
    pytest.param(yes, 200, id="a response"),
    pytest.param(no_by_redirect, 403, id="a redirect to the login"),
    pytest.param(no_by_raising_401, 401, id="a raised 401"),
    pytest.param(no_by_silence, 403, id="nothing attached"),
    pytest.param(no_by_failing, 500, id="an exception"),
]


@FIRST_REQUESTS
@pytest.mark.parametrize(("view", "status"), ANSWERS)
def test_d01_the_answer_of_a_pyramid_view_decides(
    app: ModuleType,
    serve: Callable[..., Served],
    visit: Visit,
    view: Callable[[Any], Any],
    status: int,
    way: Way,
) -> None:
    server = serve(site_with(view))
    assert admits(visit(server), way) == status
    assert len(server.registry) == (1 if status == 200 else 0)


@pytest.mark.parametrize("query", ["1/", "?EIO=3&transport=polling", "?EIO=4&transport=polling"])
def test_a_401_goes_out_with_its_challenge(
    app: ModuleType, serve: Callable[..., Served], visit: Visit, query: str
) -> None:
    reply = visit(serve(site_with(no_by_raising_401))).get(f"/socket.io/{query}")
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Basic realm="chat"')


def test_d02_pyramid_ends_its_request_at_the_handshake(
    app: ModuleType, serve: Callable[..., Served], visit: Visit
) -> None:
    ended = []

    def view(request: Any) -> Any:
        request.add_finished_callback(lambda request: ended.append(request.path))
        return yes(request)

    visit(serve(site_with(view))).connect("/chat")
    assert ended == ["/socket.io/1/"]


def test_the_request_alone_stands_for_its_environ(
    app: ModuleType, serve: Callable[..., Served], visit: Visit
) -> None:
    def view(request: Any) -> Any:
        socketio_manage(request, {"/chat": BaseNamespace})
        return request.response

    server = serve(site_with(view))
    visit(server).connect("/chat")
    (socket,) = server.registry.sockets.values()
    assert socket.request.path == "/socket.io/1/"
