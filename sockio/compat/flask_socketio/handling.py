"""Between a namespace of sockio, which is one client's, and handlers that are everybody's."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import flask
from flask.sessions import SessionMixin

from ...config.plain import check_has_run
from ...exceptions import ConnectionRefused, EventRefused
from ...namespaces.gate import refuses
from ...namespaces.handlers import concurrent
from ...namespaces.namespace import BaseNamespace, on

__all__ = [
    "Bridge",
    "ConcurrentBridge",
    "ConnectionRefusedError",
    "in_context",
    "name_of",
    "takes",
]

#: Where the session of a client's events is kept, in the environ of its handshake.
_SAVED = "saved_session"
#: Handlers are kept by these, too, which are no events. Clients of 0.9 may send what they like.
_NO_EVENTS = frozenset(("connect", "disconnect", "*"))


class ConnectionRefusedError(Exception):
    """Raise it in a handler of ``connect`` to refuse the client: the first argument is the
    message, what else there is the data."""


class _ManagedSession(dict[str, Any], SessionMixin):
    """The session of one client's events: it begins as a copy of Flask's, and no cookie gets it."""


def name_of(namespace: str | None) -> str:
    """A namespace as sockio calls it: the global one has no name."""
    return "" if namespace in (None, "/") else str(namespace)


def takes(handler: Callable[..., Any], *args: Any) -> bool:
    """Whether a handler can be called with these arguments."""
    try:
        inspect.signature(handler).bind(*args)
    except TypeError:
        return False
    except ValueError:  # something in C, which says nothing
        return True
    return True


@contextlib.contextmanager
def in_context(
    app: flask.Flask, bridge: Bridge, message: str | None, args: tuple[Any, ...], *, managed: bool
) -> Iterator[None]:
    """Flask's request context of one event: the handshake's request, with what an event adds, and
    the session. With ``managed`` that is the client's own; otherwise Flask's, saved at the end."""
    # A copy: Werkzeug keeps its request in it, with what that has read.
    with app.request_context({**bridge.environ}):
        request: Any = flask.request
        request.sid = bridge.id
        request.namespace = bridge.ns_name or "/"
        request.event = {"message": message, "args": args}
        request.sockio_client = bridge
        if managed:
            saved = bridge.environ.get(_SAVED)
            if saved is None:
                saved = bridge.environ[_SAVED] = _ManagedSession(flask.session)
            _use(saved)
            yield
        else:
            current: Any = flask.session
            session = current._get_current_object()
            yield
            if getattr(session, "modified", True):
                app.session_interface.save_session(app, session, app.response_class())


def _use(session: SessionMixin) -> None:
    """Make it the session of the present context, as the releases of Flask have that."""
    globals_: Any = flask.globals
    context = globals_.request_ctx if hasattr(globals_, "request_ctx") else globals_.app_ctx
    this = context._get_current_object()
    if hasattr(this, "_session"):
        this._session = session
    else:
        this.session = session


class Bridge(BaseNamespace):
    """One client in one namespace whose handlers are functions. Subclassed for each namespace."""

    extension: Any

    def recv_connect(self, auth: Any) -> Any:
        try:
            answer = self.extension._handle(self, "connect", (auth or None,))
            # Only False refuses there. What is no answer has to be none here as well.
            refuses(answer, "the handler of connect")
            return answer is not False
        except ConnectionRefusedError as refused:
            message, *more = refused.args or ("Connection rejected",)
            data = more[0] if len(more) == 1 else more or None
            raise ConnectionRefused(str(message), data) from refused

    def recv_disconnect(self, reason: str) -> None:
        answer = self.extension._handle(self, "disconnect", (reason,))
        check_has_run(answer, "the handler of disconnect")

    def recv_message(self, data: Any) -> Any:
        # Of 0.9, which has a word of its own for it.
        return self.extension._handle(self, "message", (data,))

    def recv_json(self, data: Any) -> Any:
        return self.extension._handle(self, "json", (data,))

    def on_message(self, *args: Any) -> Any:
        return self.extension._handle(self, "message", args)

    @on("*")
    def handle_event(self, name: str, *args: Any) -> Any:
        if name in _NO_EVENTS:
            raise EventRefused("unallowed_event_name", "The event's name is reserved.")
        return self.extension._handle(self, name, args)


class ConcurrentBridge(Bridge):
    """The same, whose handlers run side by side."""

    @concurrent
    def recv_message(self, data: Any) -> Any:
        return super().recv_message(data)

    @concurrent
    def recv_json(self, data: Any) -> Any:
        return super().recv_json(data)

    @concurrent
    def on_message(self, *args: Any) -> Any:
        return super().on_message(*args)

    @concurrent
    def handle_event(self, name: str, *args: Any) -> Any:
        return super().handle_event(name, *args)
