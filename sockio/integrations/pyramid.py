"""Socket.IO in a Pyramid application: its route, its permissions, a request and a transaction for
every event.

::

    config.include("sockio.integrations.pyramid")
    config.add_socketio({"/chat": ChatNamespace}, permission="chat")
    return make_wsgi_app(config)

Settings may stand in the ini file: ``sockio.heartbeat_interval = 20``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from pyramid.interfaces import IRequestFactory
from pyramid.request import Request
from pyramid.response import Response
from pyramid.scripting import prepare

from ..config.settings import OPTIONS, Settings
from ..http.manage import check_namespaces, socketio_manage
from ..http.middleware import SocketIOMiddleware
from ..namespaces.namespace import BaseNamespace

__all__ = ["add_socketio", "event_context", "includeme", "make_wsgi_app"]

PREFIX = "sockio."


def includeme(config: Any) -> None:
    """``config.include("sockio.integrations.pyramid")`` gives it ``config.add_socketio(...)``."""
    config.add_directive("add_socketio", add_socketio)


def add_socketio(
    config: Any, namespaces: Mapping[str, type[BaseNamespace]], **view_options: Any
) -> None:
    """Route the handshake to a view that lets everybody in who has the ``permission``.

    ``view_options`` are those of ``config.add_view``: ``permission``, ``effective_principals``,
    ``decorator``... Whom they refuse is refused. More than one of these, with predicates, give
    different clients different namespaces.
    """
    checked = check_namespaces(namespaces)

    def socketio_view(request: Any) -> Response:
        socketio_manage(request.environ, checked, request)
        return Response()

    if not config.registry.get("sockio.routed"):
        config.registry["sockio.routed"] = True
        resource = Settings.make(_settings_of(config)).resource
        config.add_route("sockio", f"/{resource}/*rest")
    view_options.setdefault("request_method", "GET")
    config.add_view(socketio_view, route_name="sockio", **view_options)


def make_wsgi_app(config: Any, **settings: Any) -> SocketIOMiddleware:
    """What ``config.make_wsgi_app()`` makes, wrapped.

    ``settings`` are those of :class:`~sockio.SocketIOMiddleware` and count more than those of the
    ini file. Unless ``context`` is among them, it is :func:`event_context`. The middleware is in
    the registry, for views: ``request.registry["sockio"].of("/chat").emit("news")``.
    """
    settings = {**_settings_of(config), **settings}
    settings.setdefault("context", event_context(config.registry))
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
        make = registry.queryUtility(IRequestFactory, default=Request)
        request = make(dict(namespace.environ))
        request.registry = registry
        with prepare(request=request, registry=registry), _transaction(request):
            yield

    return around


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
    given = config.registry.settings or {}
    names = {f"{PREFIX}{name}": name for name in OPTIONS}
    return {names[key]: value for key, value in given.items() if key in names}
