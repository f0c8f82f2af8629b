"""Between a namespace of sockio, which is one client's, and handlers that are everybody's."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flask
from flask.sessions import SessionMixin

from ...exceptions import ConnectionRefused
from ...namespaces.calls import LATER, as_arguments
from ...namespaces.namespace import BaseNamespace

__all__ = ["Bridge", "ConnectionRefusedError", "in_context", "name_of", "takes"]

#: Handlers of one client that run side by side; who sends more waits.
MAX_HANDLERS = 100

#: Where the session of a client's events is kept, in the environ of its handshake.
_SAVED = "saved_session"


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
    with app.request_context(bridge.environ):
        request: Any = flask.request
        request.sid = bridge.id
        request.namespace = bridge.ns_name or "/"
        request.event = {"message": message, "args": args}
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
    app: flask.Flask

    _running = 0
    _room: Any = None

    def recv_connect(self, auth: Any) -> Any:
        packet = {"auth": auth}
        try:
            return self.extension._handle(self, "connect", (packet["auth"],))
        except ConnectionRefusedError as refused:
            message, *more = refused.args or ("Connection rejected",)
            data = more[0] if len(more) == 1 else more or None
            raise ConnectionRefused(str(message), data) from refused

    def recv_disconnect(self, reason: str) -> None:
        self.extension._handle(self, "disconnect", (reason,))

    def process_packet(self, packet: Mapping[str, Any]) -> Any:
        kind = packet["type"]
        if kind == "event":
            name, args = packet["name"], packet["args"]
        elif kind == "message" or kind == "json":
            # Of 0.9, which has words of its own for them.
            name, args = kind, [packet["data"]]
        else:
            return None
        if not self.extension.async_handlers:
            return self.extension._handle(self, name, tuple(args))
        while self._running >= MAX_HANDLERS:
            self._room = self._runtime.signal()
            self._room.wait()
        self._running += 1
        self.spawn(self._handle_beside, packet, name, tuple(args))
        return LATER

    def _handle_beside(self, packet: Mapping[str, Any], name: str, args: tuple[Any, ...]) -> None:
        """Run the handler in a task of its own, and answer when it has returned."""
        try:
            result = self.extension._handle(self, name, args)
            if "id" in packet:
                self.ack(packet, *as_arguments(result))
        finally:
            self._running -= 1
            room, self._room = self._room, None
            if room is not None:
                room.set()
