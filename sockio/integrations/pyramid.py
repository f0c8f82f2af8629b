"""Socket.IO in a Pyramid application: its route, its permissions, a request and a transaction for
every event.

::

    config.include("sockio.integrations.pyramid")
    config.add_socketio({"/chat": ChatNamespace}, permission="chat")
    return make_wsgi_app(config)

Settings may stand in the ini file: ``sockio.ping_interval = 20``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from pyramid.interfaces import IRequestFactory
from pyramid.request import Request, apply_request_extensions
from pyramid.response import Response
from pyramid.scripting import prepare
from pyramid.threadlocal import get_current_registry, get_current_request

from ..config.settings import Settings
from ..exceptions import UsageError
from ..http.manage import check_namespaces, socketio_manage
from ..http.middleware import SocketIOMiddleware
from ..namespaces.functions import NamespaceMap
from ..namespaces.namespace import BaseNamespace

__all__ = ["add_socketio", "event_context", "includeme", "make_wsgi_app", "open_session"]

log = logging.getLogger("sockio.pyramid")

PREFIX = "sockio."


def includeme(config: Any) -> None:
    """``config.include("sockio.integrations.pyramid")`` gives it ``config.add_socketio(...)``."""
    config.add_directive("add_socketio", add_socketio)


def add_socketio(config: Any, namespaces: NamespaceMap, **view_options: Any) -> None:
    """Route the handshake to a view that lets everybody in who has the ``permission``.

    ``view_options`` are those of ``config.add_view``: ``permission``, ``effective_principals``,
    ``decorator``... Whom they refuse is refused. More than one of these, with predicates, give
    different clients different namespaces.
    """
    checked = check_namespaces(namespaces)

    def socketio_view(request: Any) -> Response:
        socketio_manage(request.environ, checked, request)
        if request.environ["socketio"].config.context is None:
            _tell_of_no_context(request.registry)
        return Response()

    if not config.registry.get("sockio.routed"):
        config.registry["sockio.routed"] = True
        resource = Settings.make(_settings_of(config)).resource
        config.add_route("sockio", f"/{resource}/*rest")
    view_options.setdefault("request_method", "GET")
    config.add_view(socketio_view, route_name="sockio", **view_options)


def _tell_of_no_context(registry: Any) -> None:
    """The server has wrapped what ``config.make_wsgi_app()`` had made; say so once."""
    if not registry.get("sockio.told"):
        registry["sockio.told"] = True
        log.warning(
            "the application was not made by make_wsgi_app: handlers have no current request "
            "(get_current_request() gives None) and no transaction, and "
            'request.registry["sockio"] is not there. Write: from sockio.integrations.pyramid '
            "import make_wsgi_app, and return make_wsgi_app(config) in the place of "
            "config.make_wsgi_app()."
        )


def make_wsgi_app(config: Any, **settings: Any) -> SocketIOMiddleware:
    """What ``config.make_wsgi_app()`` makes, wrapped.

    ``settings`` are those of :class:`~sockio.SocketIOMiddleware` and count more than those of the
    ini file. Unless ``context`` is among them, it is :func:`event_context`. The middleware is in
    the registry, for views: ``request.registry["sockio"].of("/chat").emit("news")``.
    """
    settings = {**_settings_of(config), **settings}
    settings.setdefault("context", event_context(config.registry))
    settings.setdefault("job_context", _job_context(config.registry))
    middleware = SocketIOMiddleware(config.make_wsgi_app(), **settings)
    config.registry["sockio"] = middleware
    return middleware


def event_context(registry: Any) -> Callable[[BaseNamespace], AbstractContextManager[None]]:
    """The setting ``context``: around each event a fresh request, and a transaction.

    Handlers find the request by ``pyramid.threadlocal.get_current_request()``. It has the
    handshake's environ (user, cookies, session) and the application's own request methods, such as
    ``dbsession``, and ends with the event: ``self.request`` is the handshake's and has ended long
    ago. With pyramid_tm, its transaction is committed behind a handler that returned and aborted
    behind one that raised, ``EventRefused`` included.
    """

    @contextmanager
    def around(namespace: BaseNamespace) -> Iterator[None]:
        request = _request(registry, namespace.environ)
        with prepare(request=request, registry=registry), _transaction(request):
            yield

    return around


def _job_context(registry: Any) -> Callable[[BaseNamespace], AbstractContextManager[None]]:
    """Around a spawned task: a fresh request as around events, and no transaction, for it may run
    for long: ``with request.tm: ...`` is where one begins and ends."""

    @contextmanager
    def around(namespace: BaseNamespace) -> Iterator[None]:
        request = _request(registry, namespace.environ)
        with prepare(request=request, registry=registry):
            yield

    return around


def _request(registry: Any, environ: Mapping[str, Any]) -> Any:
    make = registry.queryUtility(IRequestFactory, default=Request)
    request = make(dict(environ))
    request.registry = registry
    return request


@contextmanager
def open_session(request: Any = None) -> Iterator[Any]:
    """The visitor's session as it is now, to read and to change; saved at the end.

    ::

        with open_session() as session:
            session["seen"] = number

    For session factories that keep sessions on the server: those of
    :class:`pyramid.session.SignedCookieSessionFactory` are in the cookie, which only an answer to
    the browser can change. ``request`` is the present one, or any of the visitor's. Raises
    :class:`~sockio.UsageError` where the visitor has no session, or none any more, and where it
    could not be saved.
    """
    present = get_current_request() if request is None else request
    if present is None:
        raise UsageError("open_session(): there is no present request here; pass self.request.")
    registry = getattr(present, "registry", None) or get_current_registry()
    asked = _request(registry, present.environ)
    # Its request methods, as what finds out who is there.
    apply_request_extensions(asked)
    session = asked.session
    if type(session).__module__ == "pyramid.session":
        raise UsageError(_IN_THE_COOKIE)
    if session.new:
        raise UsageError(
            "open_session(): this visitor has no session (any more). Write one before the page "
            "connects, in the view of the page."
        )
    yield session
    answer = Response()
    # Where Pyramid's sessions are written, and their cookies set.
    asked._process_response_callbacks(answer)
    for cookie in answer.headers.getall("Set-Cookie"):
        name, _, value = cookie.partition(";")[0].partition("=")
        if value.strip('"') not in ("", asked.cookies.get(name.strip())):
            raise UsageError(_IN_THE_COOKIE)


_IN_THE_COOKIE = (
    "open_session(): this application's sessions are in the visitor's cookie, which cannot be "
    "changed without an answer to the browser. Use a session factory that keeps them on the "
    "server, or let the page ask for the change by a request."
)


@contextmanager
def _transaction(request: Any) -> Iterator[None]:
    """pyramid_tm's, by hand: its tween runs around requests, and this is none."""
    manager = getattr(request, "tm", None)
    if manager is None:
        yield
        return
    request.environ["tm.active"] = True
    manager.begin()
    try:
        yield
    except BaseException:
        manager.abort()
        raise
    manager.commit()


def _settings_of(config: Any) -> dict[str, Any]:
    """Those of the ini file. Raises ``SettingsError`` for a name that is none."""
    given = config.registry.settings or {}
    settings = {key[len(PREFIX) :]: value for key, value in given.items() if key.startswith(PREFIX)}
    Settings.make(settings)
    return settings
