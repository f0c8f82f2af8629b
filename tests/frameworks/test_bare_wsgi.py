"""No framework: the WSGI application decides for itself, by ``authorize`` or as a view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import pytest
from webob import Request

from sockio import BaseNamespace, SocketIOMiddleware, socketio_manage
from sockio.testing import Refused

from ..support.servers import Served, not_ours
from .contract import Contract, Visit, load


@pytest.fixture(scope="module")
def app() -> ModuleType:
    return load("wsgi_app", "webob", "WebOb")


@pytest.fixture(scope="module")
def site(app: ModuleType) -> Iterator[Served]:
    with Served(app.application, generation="0.9") as site:
        yield site


@pytest.fixture
def pages() -> Callable[..., Iterable[bytes]]:
    return not_ours


class TestBareWSGI(Contract):
    refusal = 403
    refusal_code = "authorize-refused"

    def request_type(self) -> type:
        return Request


def test_a_bare_view_says_all_it_has_to_by_socketio_manage(
    serve: Callable[..., Served], visit: Visit
) -> None:
    class Chat(BaseNamespace):
        def on_who(self) -> Any:
            return self.environ["QUERY_STRING"]

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"].startswith("/socket.io/"):
            if "key=secret" in environ["QUERY_STRING"]:
                return socketio_manage(environ, {"/chat": Chat})
            start_response("401 Unauthorized", [("Content-Type", "text/plain")])
            return [b""]
        return not_ours(environ, start_response)

    browser = visit(serve(SocketIOMiddleware(application)))
    with pytest.raises(Refused) as refused:
        browser.connect("/chat", query="key=guessed")
    assert refused.value.status == 401
    assert browser.connect("/chat", query="key=secret").call("who") == "key=secret"
