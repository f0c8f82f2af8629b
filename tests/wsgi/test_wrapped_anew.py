"""A middleware that each request makes: what it knows, the next one does not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.testing import ClientError

from ..support.servers import Served


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SocketIOMiddleware, "_told", False)


def test_it_is_said_once(serve: Callable[..., Served], caplog: pytest.LogCaptureFixture) -> None:
    def pages(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"a page"]

    def app(environ: Any, start_response: Any) -> Any:
        return SocketIOMiddleware(pages, {"": BaseNamespace})(environ, start_response)

    site = serve(app)
    for _ in range(3):
        with pytest.raises(ClientError):
            site.connect(transport="polling", generation="eio4", timeout=2)
    assert caplog.text.count("[wrapped-anew]") == 1


def test_applications_that_requests_load_are_wrapped_once_each(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    made: dict[str, SocketIOMiddleware] = {}

    def load() -> Callable[..., Any]:
        def pages(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"a page"]

        return pages

    def app(environ: Any, start_response: Any) -> Any:
        name = next(names)
        if name not in made:
            made[name] = SocketIOMiddleware(load(), {"": BaseNamespace})
        return made[name](environ, start_response)

    names = itertools.cycle(["a", "b"])
    site = serve(app)
    for _ in range(4):
        site.browser().get("/")
    assert len(made) == 2
    assert "wrapped-anew" not in caplog.text
