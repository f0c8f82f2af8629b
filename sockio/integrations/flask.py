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

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Request, Response, abort, current_app, has_app_context, request
from flask.sessions import SecureCookieSessionInterface

from ..config.plain import check_gate, check_has_run
from ..exceptions import ConnectionRefused, UsageError
from ..http.manage import check_namespaces, socketio_manage
from ..http.middleware import SocketIOMiddleware
from ..namespaces.emitter import Emitter
from ..namespaces.functions import NamespaceClass, NamespaceMap
from ..namespaces.namespace import BaseNamespace
from ..sessions.jobs import name_of

__all__ = ["SocketIO", "open_session"]

log = logging.getLogger("sockio.flask")

N = TypeVar("N", bound=NamespaceClass)
F = TypeVar("F", bound=Callable[[], Any])


_HANDLERS = "Here handlers are methods on_EVENT of a class under @socketio.namespace(NAME)"
_EMITS = "Here it is socketio.of(NAMESPACE).emit(EVENT, ...)"
#: What those look for here who know Flask-SocketIO, and what there is.
_THEIRS = {
    "on": _HANDLERS,
    "event": _HANDLERS,
    "on_event": _HANDLERS,
    "on_namespace": _HANDLERS,
    "on_error": "Here it is exception_handler_decorator of a namespace class",
    "on_error_default": "Here it is exception_handler_decorator of a namespace class",
    "emit": _EMITS,
    "send": _EMITS,
    "call": "Here it is socketio.of(NAMESPACE).to(ROOM).call(EVENT, ...)",
    "run": "Here it is 'sockio serve MODULE:app', or sockio.server.serve(app)",
    "test_client": "Here it is sockio.testing.LiveServer(app).connect(NAMESPACE)",
}


class SocketIO:
    """An extension of Flask.

    ``namespaces`` maps names to classes; :meth:`namespace` adds to them. ``settings`` are those of
    :class:`~sockio.SocketIOMiddleware`. Give the application now, or later to :meth:`init_app`;
    one of these may serve several applications.

    Handlers, ``recv_connect`` and ``recv_disconnect`` run inside a request context of their own,
    made from the handshake's request: ``flask.session``, ``flask.g``, ``current_app`` and
    extensions such as Flask-Login or Flask-SQLAlchemy work in them, and teardown functions run
    behind each. So they do in tasks that ``self.spawn`` starts. The session is the one of the
    handshake and cannot be written, as no answer would carry its cookie: :func:`open_session` is
    for those that are kept on the server.
    """

    def __init__(
        self,
        app: Flask | None = None,
        namespaces: NamespaceMap | None = None,
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

        # With copies of the environ: Werkzeug keeps its request in it, with what that has read.

        def context(namespace: BaseNamespace) -> AbstractContextManager[Any]:
            return app.request_context({**namespace.environ})

        @contextmanager
        def job_context(namespace: BaseNamespace) -> Iterator[None]:
            # A task inherits the context of the event that started it, whose teardown is not its.
            with app.app_context(), app.request_context({**namespace.environ}):
                yield

        settings.setdefault("context", context)
        settings.setdefault("job_context", job_context)
        middleware = SocketIOMiddleware(app.wsgi_app, **settings)
        app.wsgi_app = middleware  # type: ignore[method-assign]
        app.extensions["sockio"] = middleware
        rule = f"/{middleware.settings.resource}/"
        for each in (rule, f"{rule}<path:rest>"):
            app.add_url_rule(each, "socketio", self._view, methods=["GET"])
        self._latest = middleware
        return middleware

    def namespace(self, name: str) -> Callable[[N], N]:
        """Serve a class under a name: ``@socketio.namespace("/chat")``. Raises
        :class:`~sockio.UsageError` for a name that another class has already."""

        def add(cls: N) -> N:
            self.namespaces.register(check_namespaces({name: cls}))
            return cls

        return add

    def before_connect(self, check: F) -> F:
        """Ask ``check()`` at every handshake, in Flask's request, with its session.

        The client is let in where it returns True or nothing. Whatever else is false refuses (403,
        as in ``recv_connect``), and so does it to raise :class:`~sockio.ConnectionRefused`, whose
        text the page gets, to call ``abort``, or to return an answer of its own, such as a
        redirect: a client of 0.9 tries again with 401, and does not with 403; later ones try again
        whatever the status. It may write the session. Raises ``UsageError`` for a coroutine
        function and for a generator function, of which a call runs nothing.
        """
        check_gate(check, "the function of before_connect")
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

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            words = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name in _THEIRS:
                words += (
                    f": that is Flask-SocketIO's. {_THEIRS[name]}; programs that were written for "
                    "it import from sockio.compat.flask_socketio"
                )
            raise AttributeError(words)

    def _view(self, rest: str = "") -> Any:
        for check in self._checks:
            try:
                answer = check()
            except ConnectionRefused as refused:
                return Response(str(refused), 403, content_type="text/plain; charset=utf-8")
            check_has_run(answer, f"{name_of(check)}() of before_connect")
            if answer is not None and not answer:
                abort(403)
            if answer is not None and answer is not True:
                return _own_answer(answer, name_of(check))
        socketio_manage(request.environ, self.namespaces, request)
        return ""


def _own_answer(answer: Any, who: str) -> Response:
    """What a check has answered with in the place of a yes. Raises ``UsageError`` for what is no
    answer of Flask's; one that is a success lets nobody in, and the log says whose it was."""
    try:
        response: Response = current_app.make_response(answer)
    except TypeError:
        raise UsageError(
            f"{who}() of before_connect returned {type(answer).__name__}, which is no answer of "
            "Flask's: return True or nothing to let in, False to refuse"
        ) from None
    if response.status_code < 300:
        middleware: SocketIOMiddleware = current_app.extensions["sockio"]
        middleware.registry.complaints.say(
            log,
            logging.WARNING,
            ("not-managed", who),
            "",
            "%s() of before_connect returned %s, which Flask makes a page of (%d), so the client "
            "is refused: return True or nothing to let in, False to refuse [not-managed]",
            who,
            type(answer).__name__,
            response.status_code,
        )
    return response


@contextmanager
def open_session(of: Request | None = None) -> Iterator[Any]:
    """The visitor's session as it is now, to read and to change; saved at the end.

    ::

        with open_session() as session:
            session["seen"] = number

    For sessions that are kept on the server, such as those of Flask-Session: Flask's own are the
    cookie, which only an answer to the browser can change. In a handler or a task of one, or with
    the request ``of`` a namespace (``self.request``) wherever there is an application context.
    ``flask.session`` is what it was when the event began. Raises :class:`~sockio.UsageError` where
    the visitor has no session yet, and where it could not be saved. Whether a session that has
    ended since is brought back is a matter of the extension that keeps it.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    interface = app.session_interface
    if isinstance(interface, SecureCookieSessionInterface):
        raise UsageError(_IN_THE_COOKIE)
    asked = request if of is None else of
    name = interface.get_cookie_name(app)
    if name not in asked.cookies:
        raise UsageError(
            "open_session(): this visitor has no session. Write one before the page connects: in "
            "the view of the page, or in a function of @socketio.before_connect."
        )
    session = interface.open_session(app, asked)
    if session is None:
        raise UsageError("open_session(): the session interface opened none.")
    yield session
    answer = app.response_class()
    interface.save_session(app, session, answer)
    for cookie in answer.headers.getlist("Set-Cookie"):
        key, _, value = cookie.partition(";")[0].partition("=")
        if key.strip() == name and value.strip('"') not in ("", asked.cookies[name]):
            raise UsageError(_IN_THE_COOKIE)


_IN_THE_COOKIE = (
    "open_session(): this application's sessions are in the visitor's cookie, which cannot be "
    "changed without an answer to the browser. Keep them on the server (Flask-Session), or let the "
    "page ask for the change by a request."
)
