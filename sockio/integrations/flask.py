"""Socket.IO in a Flask application: the route, the wrapping, and Flask's context in every handler.

::

    app = Flask(__name__)
    socketio = SocketIO(app)

    @socketio.namespace("/chat")
    class ChatNamespace(BaseNamespace):
        def on_user_message(self, text):
            app.logger.info("%s said %s", flask.session["nickname"], text)

    @socketio.before_connect
    def logged_in():
        return "nickname" in flask.session

Without it three lines do the same for one namespace and no contexts, see the README.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from flask import Flask, Response, abort, current_app, has_app_context, request

from ..exceptions import ConnectionRefused, UsageError
from ..http.manage import check_namespaces, socketio_manage
from ..http.middleware import SocketIOMiddleware
from ..namespaces.emitter import Emitter
from ..namespaces.gate import refuses
from ..namespaces.namespace import BaseNamespace

__all__ = ["SocketIO"]

N = TypeVar("N", bound=type[BaseNamespace])
F = TypeVar("F", bound=Callable[[], Any])


class SocketIO:
    """An extension of Flask.

    ``namespaces`` maps names to classes; :meth:`namespace` adds to them. ``settings`` are those of
    :class:`~sockio.SocketIOMiddleware`. Give the application now, or later to :meth:`init_app`;
    one of these may serve several applications.

    Handlers, ``recv_connect`` and ``recv_disconnect`` run inside a request context of their own,
    made from the handshake's request: ``flask.session``, ``flask.g``, ``current_app`` and
    extensions such as Flask-Login or Flask-SQLAlchemy work in them, and teardown functions run
    behind each. The session is the one of the handshake and cannot be written: no answer would
    carry its cookie.
    """

    def __init__(
        self,
        app: Flask | None = None,
        namespaces: Mapping[str, type[BaseNamespace]] | None = None,
        **settings: Any,
    ) -> None:
        self.namespaces = check_namespaces(namespaces or {})
        self._settings = settings
        self._checks: list[Callable[[], Any]] = []
        self._latest: SocketIOMiddleware | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> SocketIOMiddleware:
        """Wrap ``app`` and add the route ``/socket.io/...`` (setting ``resource``) to it."""
        settings = dict(self._settings)

        def context(namespace: BaseNamespace) -> AbstractContextManager[Any]:
            return app.request_context(namespace.environ)

        settings.setdefault("context", context)
        middleware = SocketIOMiddleware(app.wsgi_app, **settings)
        app.wsgi_app = middleware  # type: ignore[method-assign]
        app.extensions["sockio"] = middleware
        rule = f"/{middleware.settings.resource}/"
        for each in (rule, f"{rule}<path:rest>"):
            app.add_url_rule(each, "socketio", self._view, methods=["GET"])
        self._latest = middleware
        return middleware

    def namespace(self, name: str) -> Callable[[N], N]:
        """Serve a class under a name: ``@socketio.namespace("/chat")``."""

        def add(cls: N) -> N:
            self.namespaces.add(check_namespaces({name: cls}))
            return cls

        return add

    def before_connect(self, check: F) -> F:
        """Ask ``check()`` at every handshake, in Flask's request, with its session.

        The client is let in where it returns True or nothing. Whatever else is false refuses (403,
        as in ``recv_connect``), and so does it to raise :class:`~sockio.ConnectionRefused`, whose
        text the page gets, to call ``abort``, or to return an answer of its own, such as a
        redirect: with 401 the page's client tries again, with 403 it does not. It may write the
        session.
        """
        self._checks.append(check)
        return check

    def of(self, namespace: str) -> Emitter:
        """Emit to a namespace, from a view or from anywhere: ``socketio.of("/chat").emit("news")``.

        Of the current application, where there is one; otherwise of the latest.
        """
        middleware = current_app.extensions.get("sockio") if has_app_context() else self._latest
        if middleware is None:
            raise UsageError("of(): call init_app(app) first.")
        emitter: Emitter = middleware.of(namespace)
        return emitter

    def _view(self, rest: str = "") -> Any:
        for check in self._checks:
            try:
                answer = check()
            except ConnectionRefused as refused:
                return Response(str(refused), 403, content_type="text/plain; charset=utf-8")
            if refuses(answer):
                abort(403)
            if answer is not None and answer is not True:
                return answer
        socketio_manage(request.environ, self.namespaces, request)
        return ""
