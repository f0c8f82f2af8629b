"""A client for tests, inside the process: no server, no network, and nothing to wait for.

From the session inwards everything is real: the handshake goes through the middleware, events
through the dispatcher, and what comes back is what a client would read.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable
from typing import Any

import flask
import gevent
from gevent.event import Event

from ...exceptions import EventRefused, UsageError
from ...protocol.engine_codec import Attached, Bundle, EngineCodec
from ...protocol.generations import EIO4
from ...sessions.outbox import Outgoing
from ...sessions.reasons import Reason
from .handling import name_of

__all__ = ["SocketIOTestClient"]

#: Seconds that a handler may take.
PATIENCE = 10.0


class SocketIOTestClient:
    """``socketio.test_client(app)``. Events are handled when :meth:`emit` returns."""

    def __init__(
        self,
        app: flask.Flask,
        socketio: Any,
        namespace: str | None = None,
        query_string: str | None = None,
        headers: Any = None,
        auth: Any = None,
        flask_test_client: Any = None,
    ) -> None:
        self.app = app
        self.socketio = socketio
        self.flask_test_client = flask_test_client
        self.eio_sid = ""
        self._socket: Any = None
        self._codec = EngineCodec(EIO4)
        self._queue: list[dict[str, Any]] = []
        self._acks: dict[int, list[Any]] = {}
        self._connected: dict[str, bool] = {}
        self._numbers = 0
        self._news = Event()
        self._carrier = _Carrier(self._arrived)
        socketio.raised = []
        self.connect(namespace, query_string, headers, auth)

    def is_connected(self, namespace: str | None = None) -> bool:
        """Whether the client is in a namespace."""
        return self._connected.get(name_of(namespace), False)

    def connect(
        self,
        namespace: str | None = None,
        query_string: str | None = None,
        headers: Any = None,
        auth: Any = None,
    ) -> None:
        """Connect to one more namespace; the first time with a handshake, which has the query and
        the headers."""
        if self._socket is None or not self._socket.connected:
            self._handshake(query_string or "", headers)
        if self._socket is None:
            return
        name = name_of(namespace)
        told = "" if auth is None else jsonlib.dumps(auth)
        self._socket.receive(f"40{name},{told}" if name else f"40{told}")
        self._wait(lambda: name in self._connected)

    def _handshake(self, query: str, headers: Any) -> None:
        from flask.testing import EnvironBuilder

        middleware = self.socketio.middleware
        path = f"/{middleware.settings.resource}/?EIO=4&transport=polling"
        query = query.lstrip("?")
        if query:
            path += "&" + query
        if self.flask_test_client is not None:
            builder = EnvironBuilder(self.app, path=path, headers=headers)
            environ = builder.get_environ()
            self.flask_test_client._add_cookies_to_wsgi(environ)
        else:
            environ = EnvironBuilder(self.app, path=path, headers=headers).get_environ()
        said: list[str] = []
        body = b"".join(middleware(environ, lambda status, fields, *more: said.append(status)))
        if not said[0].startswith("200"):
            return
        self.eio_sid = jsonlib.loads(body[1:])["sid"]
        self._socket = middleware.registry.get_socket(self.eio_sid)
        # Handlers see what the test has given.
        self._socket.environ["QUERY_STRING"] = query
        self._carrier = _Carrier(self._arrived)
        self._carrier.socket = self._socket
        self._socket.attach(self._carrier)

    def disconnect(self, namespace: str | None = None) -> None:
        """Leave a namespace. Raises ``RuntimeError`` for one that the client is not in."""
        name = self._needed(namespace)
        self._socket.receive(f"41{name}," if name else "41")
        self._wait(lambda: name not in self._socket.active_ns)
        del self._connected[name]

    def emit(self, event: str, *args: Any, **options: Any) -> Any:
        """Send an event; with ``callback=True`` returns what the handler answered: one value
        itself, several as a list, None for none."""
        name = self._needed(options.get("namespace"))
        self._numbers += 1
        number = self._numbers
        # Always with an ack: that is how its end is known.
        packet = {"type": "event", "endpoint": name, "name": event, "args": args, "id": number}
        try:
            text = self._codec.encode(packet)
        except UsageError as error:
            raise _as_theirs(error) from error
        self._socket.receive(text)
        for attachment in text.attachments if isinstance(text, Attached) else ():
            self._socket.receive(attachment)
        self._wait(lambda: number in self._acks or not self._connected.get(name))
        answer = self._acks.pop(number, [])
        if self.socketio.raised:
            raised = self.socketio.raised.pop()
            if isinstance(raised, EventRefused) and raised.code == "no_such_method":
                return None
            raise _as_theirs(raised)
        if not options.get("callback") or not answer:
            return None
        return answer[0] if len(answer) == 1 else answer

    def send(
        self, data: Any, json: bool = False, callback: bool = False, namespace: str | None = None
    ) -> Any:
        """Send the event ``message``, or with ``json`` the event ``json``."""
        return self.emit(
            "json" if json else "message", data, callback=callback, namespace=namespace
        )

    def get_received(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """What has come since the last call: mappings with ``name``, ``args`` and ``namespace``."""
        name = self._needed(namespace) or "/"
        found = [each for each in self._queue if each["namespace"] == name]
        self._queue = [each for each in self._queue if each["namespace"] != name]
        return found

    # ---- within

    def _needed(self, namespace: str | None) -> str:
        # Tasks that were started may have something to say.
        gevent.sleep(0)
        if not self.is_connected(namespace):
            raise RuntimeError("not connected")
        return name_of(namespace)

    def _arrived(self, packet: Outgoing) -> None:
        """Read what the server has written."""
        self._news.set()
        if packet.text[:1] != "4":
            return
        item = Bundle(packet.text[1:], list(packet.attachments))
        found: Any = self._codec.decode(item if packet.attachments else packet.text[1:])
        name = found["endpoint"]
        kind = found["type"]
        if kind == "connect":
            self._connected[name] = True
        elif kind in ("disconnect", "error"):
            self._connected[name] = False
        elif kind == "ack":
            self._acks[found["ackId"]] = found["args"]
        else:
            args = found["args"]
            if found["name"] in ("message", "json"):
                args = args[0] if args else None
            self._queue.append({"name": found["name"], "args": args, "namespace": name or "/"})

    def _wait(self, condition: Callable[[], object]) -> None:
        """Let the server work until it has come to that."""
        with gevent.Timeout(PATIENCE, TimeoutError("the handler has not ended in time")):
            while not condition():
                if self._socket.close_reason is not None:
                    self._connected = dict.fromkeys(self._connected, False)
                    return
                self._news.clear()
                self._news.wait(0.01)


def _as_theirs(error: Exception) -> Exception:
    """What python-socketio raises in place of an error of ours."""
    # Its context where it is not said to be the cause, since our words have all of it.
    cause = error.__cause__ or error.__context__
    return cause if isinstance(error, UsageError) and isinstance(cause, TypeError) else error


class _Carrier:
    """Takes whatever the session sends, at once."""

    name = "websocket"
    streaming = True
    waits = False

    def __init__(self, arrived: Callable[[Outgoing], None]) -> None:
        self._arrived = arrived
        self.socket: Any = None

    def write(self, packet: Outgoing) -> bool:
        self._arrived(packet)
        return True

    def ready(self) -> None:
        while packets := self.socket.take(self, 1_000_000):
            for packet in packets:
                self._arrived(packet)

    def finish(self) -> None:
        self.ready()
        self.socket.lost(self, Reason.SERVER)

    def replaced(self) -> None: ...
    def idle(self) -> None: ...
    def abort(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
