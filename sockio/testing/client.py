"""A Socket.IO client for tests, over the real wire of any transport: of 0.9 here, of later
generations with :mod:`sockio.testing.engine`.

A :class:`Client` is one namespace of one session. What comes is read by a task in the background,
which polls, answers heartbeats and acknowledges messages as the JavaScript client does; the methods
here wait for it.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import gevent
import gevent.event

from ..config.plain import check_plain
from ..exceptions import PacketError
from ..protocol.handshake import Handshake, decode_handshake
from ..protocol.packet import Packet, decode, encode
from .errors import ClientError, EventFailed, NothingCame, Refused, SessionOver
from .http import CooperativeConnection
from .wires import CODE, WIRES, refusal_of

__all__ = ["Client", "Event", "Loss", "Session", "Visitor", "in_browser_json"]


class Visitor(Protocol):
    """Where a client gets its cookies from: a :class:`~sockio.testing.Browser`."""

    url: str
    resource: str

    def sent_headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]: ...

    def remember(self, set_cookie: Any) -> None: ...


class Event:
    """An event that came from the server. A message is the event ``"message"``."""

    def __init__(self, client: Client, packet: Packet) -> None:
        self._client = client
        self.packet = packet
        self.name: str = packet.get("name", "message")
        #: Its arguments.
        self.args: list[Any] = packet["args"] if "args" in packet else [packet.get("data")]

    @property
    def wants_ack(self) -> bool:
        """Whether the server waits for :meth:`ack`."""
        return self.packet.get("ack") == "data"

    def ack(self, *args: Any) -> None:
        """Answer it. Raises :class:`ClientError` when no ack was asked for."""
        if not self.wants_ack:
            raise ClientError(f"nobody waits for an ack of {self}")
        self._client.send_packet({"type": "ack", "ackId": self.packet["id"], "args": args})

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.args))})"


class Loss:
    """An answer that a client is going to lose, see :meth:`Client.lose_response`."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._packets: gevent.event.AsyncResult[list[str]] = gevent.event.AsyncResult()

    @property
    def packets(self) -> list[str]:
        """What was in it, as packets of the wire. Waits until it has been lost."""
        try:
            return list(self._packets.get(timeout=self._timeout) or ())
        except gevent.Timeout:
            raise NothingCame(f"no answer to lose came in {self._timeout:g} s") from None


class Client:
    """One namespace of one session. Made by ``connect`` of a server or a browser, or by :meth:`of`.

    Every method that waits does so for ``timeout`` seconds at most, those of the client's making
    unless given.
    """

    def __init__(
        self,
        visitor: Visitor,
        transport: str,
        query: str,
        headers: Mapping[str, str],
        timeout: float,
        *,
        _session: Session | None = None,
        _namespace: str = "",
    ) -> None:
        self._session = _session or Session(visitor, transport, query, headers, timeout)
        #: What the server calls it towards others; of later generations than 0.9 and 2.x only.
        self.id = ""
        #: The name of the namespace.
        self.namespace = _namespace
        #: Every event so far, in order, whether asked for or not.
        self.events: list[Event] = []
        #: Why it is over, or None while it is not.
        self.end: str | None = None
        #: Whether it has found its state again (setting ``recovery``); clients since 3.0 are told.
        self.recovered = False
        self._given: set[int] = set()
        self._errors: list[Packet] = []
        self._confirmed = 0
        self._refused: Packet | None = None
        self._qs = ""
        # By what it is known again, and the last event that it has.
        self._pid: str | None = None
        self._offset: str | None = None
        self._auth: Mapping[str, Any] | None = None
        self._handlers: dict[str, Callable[..., Any]] = {}

    def __repr__(self) -> str:
        state = self.end or "connected"
        return f"<Client {self.namespace or '(global)'} over {self.transport}: {state}>"

    @property
    def transport(self) -> str:
        return self._session.transport

    @property
    def sid(self) -> str:
        """The session id."""
        sid: str = self._session.handshake.sid
        return sid

    @property
    def url(self) -> str:
        """The path of the session's requests."""
        return self._session.path

    @property
    def handshake(self) -> Any:
        """What the server said at the handshake: sid, times, and the transports it offers; a
        :class:`~sockio.protocol.handshake.Handshake`, or of later generations an
        :class:`~sockio.protocol.engine_handshake.EngineHandshake`."""
        return self._session.handshake

    @property
    def connected(self) -> bool:
        """Whether the client is in the namespace, as far as it knows."""
        return self.end is None

    # ---- connecting

    @classmethod
    def within(cls, session: Session, namespace: str) -> Client:
        """Another namespace of a session, which has not asked for it yet."""
        return cls(
            session.visitor, "", "", {}, session.timeout, _session=session, _namespace=namespace
        )

    def open(self, *, join: bool = True) -> Client:
        """Make the handshake, open the transport, and wait to be told that it is connected; with
        ``join`` false, not to the global namespace where that has to be asked for."""
        self._session.open(self, join=join)
        return self

    def of(self, namespace: str, query: str = "", auth: Mapping[str, Any] | None = None) -> Client:
        """Connect another namespace over the same session. ``query`` (``"?a=b"``, up to 2.x) goes
        to its ``qs``, ``auth`` (since 3.0) to ``recv_connect``.

        The same client again when it is connected already. Raises :class:`Refused`.
        """
        namespace = "" if namespace == "/" else namespace
        known = self._session.clients.get(namespace)
        if known is not None and known.connected:
            return known
        session = self._session
        client = self.within(session, namespace)
        client._qs, client._auth = query, auth
        session.clients[namespace] = client
        client._connect()
        return client

    def _connect(self) -> None:
        self.end = self._refused = None
        before = self._confirmed
        self._session.send(self._session.connect_packet(self))
        self._session.wait(
            lambda: self._confirmed > before or self._refused is not None,
            f"the confirmation of {self.namespace}",
            self,
        )
        if self._refused is not None:
            self.end = "refused"
            raise self._session.refused(self)

    # ---- talking

    def emit(self, event: str, *args: Any, callback: Callable[..., object] | None = None) -> None:
        """Send an event. ``callback(*args)`` is called when the server acknowledges it."""
        packet: dict[str, Any] = {"type": "event", "name": event, "args": args}
        if callback is not None:
            self._session.expect_ack(packet, "data", callback)
        self.send_packet(packet)

    def call(self, event: str, *args: Any, timeout: float | None = None) -> Any:
        """Send an event and wait for its ack: None, the one argument, or a tuple of several.

        Raises :class:`EventFailed` for an error ack, ``{"error": ..., "message": ...}``.
        """
        packet: dict[str, Any] = {"type": "event", "name": event, "args": args}
        values = self._acknowledged(packet, "data", f"the ack of {event!r}", timeout)
        if len(values) == 1:
            (value,) = values
            if isinstance(value, dict) and value.keys() == {"error", "message"}:
                raise EventFailed(event, value["error"], value["message"])
            return value
        return tuple(values) or None

    def send(self, message: Any, *, json: bool = False, receipt: bool = False) -> None:
        """Send a message: text, or with ``json`` any JSON value. ``receipt`` waits for its ack."""
        packet: dict[str, Any] = {"type": "json" if json else "message", "data": message}
        if receipt:
            self._acknowledged(packet, True, "the receipt of a message", None)
        else:
            self.send_packet(packet)

    def send_packet(self, packet: Mapping[str, Any]) -> None:
        """Send any packet of the protocol to this namespace, see :mod:`sockio.protocol.packet`."""
        if self.end is not None:
            raise SessionOver(f"{self!r} can send nothing any more")
        self._session.send({**packet, "endpoint": self.namespace})

    def send_raw(self, *texts: str) -> None:
        """Send texts as packets, whether or not they are any; over HTTP in one body."""
        self._session.write(list(texts))

    def _acknowledged(
        self, packet: dict[str, Any], kind: Literal["data", True], what: str, timeout: float | None
    ) -> list[Any]:
        pending = self._session.expect_ack(packet, kind)
        self.send_packet(packet)
        self._session.wait(lambda: pending.args is not None, what, self, timeout)
        return pending.args or []

    def on(self, event: str, handler: Callable[..., Any]) -> None:
        """Answer an event whenever it comes: ``handler(*args)`` runs in a task of its own, and what
        it returns is the ack, for a server that asked for one. :meth:`expect` sees it all the
        same. Raises ``UsageError`` for a coroutine function or a generator function."""
        check_plain(handler, f"the handler of {event!r}")
        self._handlers[event] = handler

    # ---- hearing

    def expect(self, event: str, *args: Any, timeout: float | None = None) -> Event:
        """The next event of that name, here already or still to come; with ``args`` only one whose
        arguments begin with these. Each event is given once; others wait for their own turn.

        Raises :class:`NothingCame`, which says what came instead, or :class:`SessionOver`.
        """
        found: list[Event] = []

        def is_there() -> bool:
            for number, each in enumerate(self.events):
                if number in self._given or each.name != event:
                    continue
                if each.args[: len(args)] == list(args):
                    self._given.add(number)
                    found.append(each)
                    return True
            return False

        shown = ", ".join(map(repr, args))
        self._session.wait(is_there, f"the event {event}({shown})", self, timeout)
        return found[0]

    def expect_message(self, timeout: float | None = None) -> Any:
        """The next message: its text, or the value of a JSON message."""
        return self.expect("message", timeout=timeout).args[0]

    def expect_error(self, timeout: float | None = None) -> Packet:
        """The next error packet for this namespace (``7::``): an event that could not be handled,
        and whose sender had asked for no ack."""
        self._session.wait(lambda: bool(self._errors), "an error", self, timeout)
        return self._errors.pop(0)

    def expect_end(self, timeout: float | None = None) -> str:
        """Wait until the server ends the session, or the stay in this namespace. Returns how."""
        self._session.wait(lambda: self.end is not None, "the end", None, timeout)
        return self.end or ""

    def heard(self, event: str | None = None) -> list[Any]:
        """What has come once everything is handled that this client had sent (see :meth:`sync`) and
        was not given by :meth:`expect` yet: the arguments of all events of that name, or all the
        events. For what should *not* have come: ``assert bob.heard("secret") == []``."""
        self.sync()
        left = [each for number, each in enumerate(self.events) if number not in self._given]
        if event is None:
            return left
        return [each.args for each in left if each.name == event]

    def sync(self, timeout: float | None = None) -> None:
        """Return when the server has handled all that this client sent to it before, and everything
        has arrived that it had sent to this client by then. No handler notices."""
        self._session.sync(self, timeout)

    # ---- leaving

    def disconnect(self) -> None:
        """Leave the namespace, politely; the global one: end the session."""
        if self.end is None:
            self._session.send({"type": "disconnect", "endpoint": self.namespace})
            if self._session.ends_with(self.namespace):
                self._session.finish("client disconnect")
            else:
                self.end = "client disconnect"

    def drop(self, *, rst: bool = False) -> None:
        """Cut every connection of the session without a word; with ``rst`` as a crash does.

        That ends the session of a stream. One that polls lives on for the server, which keeps what
        it sends, for ``close_timeout``; :meth:`reconnect` with ``resume`` returns to it.
        """
        self._session.drop(rst=rst)

    def close(self) -> None:
        """Cut every connection, at the end of a test."""
        self._session.drop(rst=False)

    def lose_response(self) -> Loss:
        """Lose the next answer to a poll: what is in it never arrives, and its connection dies.

        Returns at once; ``.packets`` of the result waits until it has happened and says what was
        lost. The client polls on. Raises :class:`ClientError` for transports that do not poll.
        """
        return self._session.lose_response()

    def reconnect(self, *, resume: bool = False) -> Client:
        """Come back, as the JavaScript client does when its connection broke: a new session, the
        same namespaces. ``resume`` polls on in the old session instead.

        Events that came before are forgotten, unless resumed. Where the setting ``recovery`` is on,
        what was missed comes: for 0.9 with ``query="recovery=..."``. Returns the same client.
        """
        self._session.reconnect(resume)
        return self


class _Pending:
    """An ack that has not come yet."""

    def __init__(self, callback: Callable[..., object] | None) -> None:
        self.args: list[Any] | None = None
        self._callback = callback

    def answer(self, args: list[Any]) -> None:
        self.args = args
        if self._callback is not None:
            gevent.spawn(self._callback, *args)


class Session:
    """What the namespaces of one session share: the wire, and the task that reads from it."""

    def __init__(
        self,
        visitor: Visitor,
        transport: str,
        query: str,
        headers: Mapping[str, str],
        timeout: float,
    ) -> None:
        self.visitor = visitor
        self.transport = transport
        self.query = query
        self.headers = headers
        self.timeout = timeout
        self.handshake: Any = Handshake("", 0.0, 0.0, ())
        self.clients: dict[str, Client] = {}
        self._wire: Any = None
        self._reader: gevent.Greenlet[..., None] | None = None
        self._loss: Loss | None = None
        self._ack_ids = itertools.count(1)
        self._acks: dict[int, _Pending] = {}
        self._news = gevent.event.Event()
        #: Why the reading ended, when that was not foreseen.
        self._failure: BaseException | None = None

    # ---- opening

    def _sent_headers(self) -> dict[str, str]:
        return self.visitor.sent_headers(self.headers)

    @property
    def over(self) -> bool:
        return self.clients[""].end is not None

    def ends_with(self, namespace: str) -> bool:
        return namespace == ""

    def open(self, client: Client, *, join: bool) -> None:
        self.clients.setdefault("", client)
        self._shake_hands()
        self._start()
        self._wait_until_open()

    def _shake_hands(self) -> None:
        if self.transport not in WIRES:
            raise ClientError(
                f"there is no transport {self.transport!r}; known: {', '.join(WIRES)}"
            )
        kind = WIRES[self.transport]
        query = "&".join(part for part in (kind.handshake_query, self.query) if part)
        path = f"/{self.visitor.resource}/1/" + (f"?{query}" if query else "")
        connection = CooperativeConnection(self.visitor.url, self.timeout)
        try:
            connection.request("GET", path, headers=self._sent_headers())
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        self.visitor.remember(answer.headers.get_all("Set-Cookie", []))
        code = answer.headers.get(CODE)
        if answer.status != 200:
            raise refusal_of("the handshake", answer.status, text, code)
        try:
            self.handshake = decode_handshake(kind.read_handshake(text))
        except Refused as refused:
            raise refusal_of("the handshake", 200, refused.text, code) from None
        except PacketError as error:
            raise ClientError(f"the handshake was answered {text[:300]!r}: {error}") from error

    @property
    def path(self) -> str:
        return f"/{self.visitor.resource}/1/{self.transport}/{self.handshake.sid}"

    def _start(self) -> None:
        wire = WIRES[self.transport]
        self._wire = wire(self.visitor.url, self.path, self._sent_headers, self.timeout)
        self._failure = None
        late = NothingCame(f"{self.transport} did not open within {self.timeout:g} s")
        with gevent.Timeout(self.timeout, late):
            self._wire.open()
        self._reader = gevent.spawn(self._read, self._wire)

    def _wait_until_open(self) -> None:
        root = self.clients[""]
        self.wait(
            lambda: root._confirmed > 0 or root._refused is not None, "the transport to open", root
        )
        if root._refused is not None:
            refused = self.refused(root)
            self.drop(rst=False)
            raise refused

    def refused(self, client: Client) -> Refused:
        """The error for a namespace that the server does not let this client into."""
        name = client.namespace or "the global namespace"
        return Refused(f"the server refused {name}", None, "unauthorized")

    # ---- reading

    def _read(self, wire: Any) -> None:
        try:
            while not self.over:
                packets = wire.receive()
                if self._loss is not None:
                    loss, self._loss = self._loss, None
                    wire.lose_connection()
                    loss._packets.set(packets)
                    continue
                for each in packets:
                    self._take(each)
                self._news.set()
        except EOFError:
            self.finish("transport close")
        except Exception as error:
            self._failure = error
            self.finish(f"the client failed: {error}")

    def _take(self, item: Any) -> None:
        """Handle what a wire gave."""
        self._hear(decode(item))

    def _hear(self, packet: Packet) -> None:
        kind, endpoint = packet["type"], packet["endpoint"]
        client = self.clients.get(endpoint)
        if kind == "heartbeat":
            self.send({"type": "heartbeat"})
        elif kind == "ack":
            pending = self._acks.pop(packet["ackId"], None)
            if pending is not None:
                pending.answer(packet["args"])
        elif kind == "error" and packet["reason"] == "client not handshaken":
            self.finish("unknown session")
        elif client is None:
            return
        elif kind == "connect":
            client._confirmed += 1
        elif kind == "disconnect":
            if endpoint == "":
                self.finish("server disconnect")
            else:
                client.end = "server disconnect"
        elif kind == "error":
            if packet["reason"] == "unauthorized":
                client._refused = packet
            else:
                client._errors.append(packet)
        elif kind in ("event", "message", "json"):
            self._hear_event(client, Event(client, packet))

    def _hear_event(self, client: Client, event: Event) -> None:
        client.events.append(event)
        packet = event.packet
        if packet.get("ack") is True:
            client.send_packet({"type": "ack", "ackId": packet["id"]})
        handler = client._handlers.get(event.name)
        if handler is not None:
            gevent.spawn(self._handle, handler, event)

    def _handle(self, handler: Callable[..., Any], event: Event) -> None:
        answer = handler(*event.args)
        if event.wants_ack:
            event.ack(*(answer if isinstance(answer, tuple) else (answer,)))

    def wait(
        self,
        condition: Callable[[], bool],
        what: str,
        client: Client | None,
        timeout: float | None = None,
    ) -> None:
        """Return when ``condition()`` is true; asked again whenever something has come. It cannot
        become true any more once ``client`` is over."""
        seconds = self.timeout if timeout is None else timeout
        end = time.monotonic() + seconds
        while True:
            self._news.clear()
            if condition():
                return
            if client is not None and client.end is not None:
                raise SessionOver(
                    f"waited in vain for {what}: {client.end}.{_story(client)}"
                ) from self._failure
            if not self._news.wait(max(0.0, end - time.monotonic())):
                raise NothingCame(
                    f"waited {seconds:g} s in vain for {what}.{_story(client or self.clients[''])}"
                )

    # ---- writing

    def expect_ack(
        self,
        packet: dict[str, Any],
        kind: Literal["data", True],
        callback: Callable[..., object] | None = None,
    ) -> _Pending:
        """Number ``packet``, and give what its ack will be put into."""
        packet["id"] = number = next(self._ack_ids)
        packet["ack"] = kind
        self._acks[number] = pending = _Pending(callback)
        return pending

    def connect_packet(self, client: Client) -> dict[str, Any]:
        """What asks for a client's namespace."""
        return {"type": "connect", "endpoint": client.namespace, "qs": client._qs}

    def send(self, packet: Mapping[str, Any]) -> None:
        self.write([encode(packet, in_browser_json)])

    def sync(self, client: Client, timeout: float | None) -> None:
        # A namespace that is connected is confirmed again, in its turn.
        before = client._confirmed
        client.send_packet({"type": "connect"})
        self.wait(
            lambda: client._confirmed > before,
            "the server to catch up"
            + ("" if client.namespace else " (it has no global namespace? connect to another)"),
            client,
            timeout,
        )

    def write(self, texts: list[Any]) -> None:
        if self.over:
            raise SessionOver(f"{self.clients['']!r} can send nothing any more")
        try:
            with gevent.Timeout(self.timeout, TimeoutError("the server does not take it")):
                self._wire.send(texts)
        except (EOFError, OSError) as error:
            if not self._wire.polling:
                self.finish("transport close")
            raise SessionOver(f"sending failed: {error}") from error

    # ---- the end

    def finish(self, reason: str) -> None:
        """The session is over for the client."""
        for client in self.clients.values():
            if client.end is None:
                client.end = reason
        self._news.set()

    def drop(self, *, rst: bool) -> None:
        if self._reader is not None and self._reader is not gevent.getcurrent():
            self._reader.kill()
        self._reader = None
        if self._wire is not None:
            self._wire.cut(rst=rst)
        self.finish("dropped")

    def lose_response(self) -> Loss:
        if not WIRES[self.transport].polling:
            raise ClientError(
                f"{self.transport} has no answers to lose, it has one connection: drop() it"
            )
        self._loss = Loss(self.timeout)
        return self._loss

    def reconnect(self, resume: bool) -> None:
        if resume and not WIRES[self.transport].polling:
            raise ClientError(
                f"a session over {self.transport} ends with its connection; reconnect() makes a "
                "new one"
            )
        if resume:
            came_back = self._those_who_stayed()
            self.drop(rst=False)
            for client in came_back:
                client.end = None
            self._start()
            return
        came_back = self._come_back()
        self._shake_hands()
        self._start()
        self._wait_until_open()
        for client in came_back:
            if client.namespace:
                client._connect()

    def _those_who_stayed(self) -> list[Client]:
        return [each for each in self.clients.values() if each.end not in _LEFT]

    def _come_back(self) -> list[Client]:
        """Drop the session, and forget all of it: those who will be in the next one."""
        came_back = self._those_who_stayed()
        self.drop(rst=False)
        for client in came_back:
            client.events.clear()
            client._errors.clear()
            client._given.clear()
        self._acks.clear()
        root = self.clients[""]
        root.end, root._confirmed, root._refused = None, 0, None
        return came_back


def in_browser_json(value: Any) -> str:
    """JSON as browsers write it: characters as they are, halves of them escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


_HALVES = re.compile("[\ud800-\udfff]")

#: Ends after which a namespace is not asked for again.
_LEFT = ("client disconnect", "refused")


def _story(client: Client) -> str:
    """What a client has heard, for the message of a failed expectation."""
    lines = [
        f"\n  {' ' if number in client._given else '*'} {str(each)[:200]}"
        for number, each in enumerate(client.events[-20:], max(0, len(client.events) - 20))
    ]
    lines += [f"\n  * error {packet}" for packet in client._errors]
    if not lines:
        return " Nothing has come."
    return " What came (* = nobody asked for it):" + "".join(lines)
