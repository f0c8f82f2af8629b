"""Django: its session decides, and the request goes on being one."""

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
    # Once: a process has one Django in it, and its settings cannot be configured again.
    return load("django_app", "django", "Django>=4.2")


@pytest.fixture(scope="module")
def site(app: ModuleType) -> Iterator[Served]:
    with Served(app.application, generation="0.9") as site:
        yield site


@pytest.fixture
def pages(app: ModuleType) -> Callable[..., Iterable[bytes]]:
    from django.core.wsgi import get_wsgi_application

    pages: Callable[..., Iterable[bytes]] = get_wsgi_application()
    return pages


class TestDjango(Contract):
    refusal = 403

    def request_type(self) -> type:
        from django.core.handlers.wsgi import WSGIRequest

        request_type: type = WSGIRequest
        return request_type


def attach(request: Any) -> None:
    socketio_manage(request.environ, {"/chat": BaseNamespace}, request)


def yes(request: Any) -> Any:
    from django.http import HttpResponse

    attach(request)
    return HttpResponse()


def yes_by_streaming(request: Any) -> Any:
    from django.http import StreamingHttpResponse

    def body() -> Iterator[bytes]:
        yield b"late"
        attach(request)

    return StreamingHttpResponse(body())


def no_by_permission_denied(request: Any) -> Any:
    from django.core.exceptions import PermissionDenied

    attach(request)
    raise PermissionDenied


def no_by_redirect(request: Any) -> Any:
    from django.http import HttpResponseRedirect

    attach(request)
    return HttpResponseRedirect("/accounts/login/")


def no_by_404(request: Any) -> Any:
    from django.http import Http404

    attach(request)
    raise Http404


def no_by_silence(request: Any) -> Any:
    from django.http import HttpResponse

    return HttpResponse()


def no_by_failing(request: Any) -> Any:
    attach(request)
    raise RuntimeError("the database is away")


ANSWERS = [
    pytest.param(yes, 200, id="a response"),
    pytest.param(yes_by_streaming, 200, id="a streaming response"),
    pytest.param(no_by_permission_denied, 403, id="PermissionDenied"),
    pytest.param(no_by_redirect, 403, id="a redirect to the login"),
    pytest.param(no_by_404, 403, id="Http404"),
    pytest.param(no_by_silence, 403, id="nothing attached"),
    pytest.param(no_by_failing, 500, id="an exception"),
]


@pytest.fixture
def site_with(
    app: ModuleType, serve: Callable[..., Served]
) -> Iterator[Callable[[Callable[[Any], Any]], Served]]:
    """A server whose one view, for Socket.IO's handshakes, is the one given."""
    from django.core.wsgi import get_wsgi_application
    from django.test import override_settings
    from django.urls import re_path

    class URLs:
        urlpatterns: list[Any]

    def start(view: Callable[[Any], Any]) -> Served:
        URLs.urlpatterns = [re_path("^socket.io/", view)]
        return serve(SocketIOMiddleware(get_wsgi_application()))

    with override_settings(ROOT_URLCONF=URLs):
        yield start


@FIRST_REQUESTS
@pytest.mark.parametrize(("view", "status"), ANSWERS)
def test_d01_the_answer_of_a_django_view_decides(
    site_with: Callable[..., Served],
    visit: Visit,
    view: Callable[[Any], Any],
    status: int,
    way: Way,
) -> None:
    server = site_with(view)
    assert admits(visit(server), way) == status
    assert len(server.registry) == (1 if status == 200 else 0)


def test_d02_django_ends_its_request_at_the_handshake(
    site_with: Callable[..., Served], visit: Visit
) -> None:
    from django.core.signals import request_finished, request_started

    signals = []

    def note(signal: Any, **kwargs: Any) -> None:
        signals.append("started" if signal is request_started else "finished")

    server = site_with(yes)
    request_started.connect(note)
    request_finished.connect(note)
    try:
        visit(server).connect("/chat")
    finally:
        request_started.disconnect(note)
        request_finished.disconnect(note)
    assert signals == ["started", "finished"]
