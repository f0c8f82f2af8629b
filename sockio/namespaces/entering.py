"""Entering a namespace: its gate is asked, and what waited for the answer is let in or refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from ..config.plain import NoAnswer
from ..exceptions import ConnectionRefused, PacketError, UsageError
from ..protocol.packet import Packet
from ..sessions.reasons import Reason
from ..sessions.sayings import said
from ..sessions.socket import Socket
from ..sessions.states import State
from ..sessions.weights import weight_of
from .beside import Beside
from .desk import Desk
from .leaving import Leaving
from .refusals import ENDS_THE_PROCESS, GLOBAL
from .table import MAX_DYNAMIC, Namespaces, described

__all__ = ["KEPT", "Reception", "accept", "connect", "deny"]

#: Bytes of memory of what a client gives with its connects that its namespaces keep, all of them
#: together.
KEPT = 65_536


class Reception(Desk, Protocol):
    """A desk where who enters meets who leaves."""

    def finish_if_done(self) -> None:
        """If the session is over and all have been told, say so."""
        ...

    @property
    def leaving(self) -> Leaving:
        """Made for the first that leaves."""
        ...


def connect(desk: Reception, endpoint: str, packet: Packet) -> None:
    """Let the client into a namespace, if its ``recv_connect`` does, and tell the client."""
    socket = desk.socket
    present = socket.active_ns.get(endpoint)
    if present is not None and present._leaving:
        desk.leaving.see_off(present)
        present = None
    if socket.state is not State.CONNECTED:
        return
    if present is not None:
        if not socket.forgiving:
            socket.violate(PacketError(f"a connect to {endpoint!a}, which is connected"))
            return
        # Asked for again: confirmed again, and nothing else happens.
        accept(desk, endpoint)
        return
    cls = socket.namespaces.get(endpoint)
    match = None
    if cls is not None and isinstance(socket.namespaces, Namespaces) and socket.namespaces.patterns:
        match = socket.namespaces.match(endpoint)
        if match is not None and _dynamic(socket) >= MAX_DYNAMIC:
            desk.calls.complain(
                logging.WARNING,
                "too-many-namespaces",
                "%s: it is in %d namespaces that fit patterns and may be in no more: %r is "
                "refused [too-many-namespaces]",
                socket,
                MAX_DYNAMIC,
                endpoint,
            )
            deny(desk, endpoint, "Too many namespaces")
            return
    if cls is None:
        if endpoint != socket.GLOBAL_NS or not socket.opens_global:
            desk.calls.complain(
                logging.WARNING,
                "namespace-unknown",
                "%s: there is no namespace %r; known: %s. %s [namespace-unknown]",
                socket,
                endpoint or "/",
                described(socket.namespaces) or "none",
                _instead(socket.namespaces),
            )
            deny(desk, endpoint, "Invalid namespace")
        return
    socket.seek(endpoint, packet)
    if socket.state is not State.CONNECTED:
        # The client left while it was looked for.
        return
    socket.hold(endpoint)
    socket.introduce(endpoint, packet)
    early = desk.early_for(endpoint)
    namespace = None
    accepted = False  # should ``context`` swallow an exception
    # What a client is told that is not let in, where its generation can be told.
    told, more = "Not allowed", None
    try:
        namespace = cls(socket.environ, endpoint, request=socket.request)
        if namespace._table.concurrent and not isinstance(desk.calls, Beside):
            desk.calls = Beside(desk.calls, socket)
        with desk.calls.around(namespace):
            namespace.match = match
            # Nothing may block from here on: what is sent meanwhile would be for nobody.
            stay = socket.arrive(endpoint)
            socket.active_ns[endpoint] = namespace
            desk.rooms.enter(socket, endpoint)
            if stay is not None and stay.recovered:
                namespace.recovered = True
                desk.rooms.rejoin(socket, endpoint, stay.marks)
            accepted = namespace._open(packet)
        why = "recv_connect said no"
    except ConnectionRefused as refused:
        words = said(refused)
        accepted, why = False, words or "ConnectionRefused"
        told, more = words or told, refused.data
    except ENDS_THE_PROCESS as end:
        desk.calls.say_end(end, endpoint or GLOBAL, "recv_connect")
        raise
    except BaseException as error:
        # Of a gate that gave no answer there is nothing to trace: whoever asked was us.
        silent = isinstance(error, NoAnswer)
        desk.calls.complain(
            logging.ERROR,
            ("connect-failed", cls.__qualname__),
            "%s: connecting %s failed%s",
            socket,
            endpoint or GLOBAL,
            f": {error}" if silent else "",
            exc_info=not silent,
        )
        accepted = False
        why = "its gate gave no answer" if silent else f"{type(error).__name__} in recv_connect"
    if accepted:
        if namespace is not None and (namespace.auth or namespace.qs):
            _lighten(desk, namespace)
        accept(desk, endpoint)
        if namespace is not None and namespace._deaf:
            # Thrown out by its own gate: it has been told so.
            socket.seal(endpoint)
        if early:
            desk.inbox.put_first(each.text for each in early)
        if socket.state is not State.CONNECTED:
            # The client left while it was let in: what was set up gets its counterpart.
            reason = socket.close_reason or Reason.TRANSPORT_CLOSE
            desk.leaving.bid_farewell(namespace, reason)
        return
    desk.calls.complain(
        logging.INFO,
        ("namespace-refused", cls.__qualname__),
        "%s: %s refused: %s [namespace-refused]",
        socket,
        endpoint or GLOBAL,
        why,
    )
    socket.active_ns.pop(endpoint, None)
    desk.rooms.leave_namespace(socket, endpoint)
    socket.forget_acks(endpoint)
    if namespace is not None:
        namespace._discard()
    socket.forget_name(endpoint)
    deny(desk, endpoint, told, more)
    if socket.state is State.CONNECTED:
        desk.unconnected.not_let_in(endpoint, early)


def _lighten(desk: Reception, namespace: Any) -> None:
    """Let a namespace that was entered keep what came with the connect, if it is not too much: a
    client stays for as long as it likes, and as Python's objects JSON takes up to thirty times its
    bytes."""
    socket = desk.socket
    left = KEPT - sum([each._auth_size for each in socket.active_ns.values()])
    size = weight_of(namespace.auth, namespace.qs, most=left)
    if size <= left:
        namespace._auth_size = size
        return
    namespace.auth, namespace.qs = {}, ""
    # Made of it, should the gate have asked.
    namespace.__dict__.pop("query", None)
    desk.calls.complain(
        logging.WARNING,
        "auth-too-large",
        "%s %s: its namespaces keep %d bytes of memory of what comes with their connects at most; "
        "with these it is more, and self.auth and self.qs are empty behind recv_connect "
        "[auth-too-large]",
        socket,
        namespace.ns_name or GLOBAL,
        KEPT,
    )


def _dynamic(socket: Socket) -> int:
    """How many namespaces it is in that were found by patterns."""
    return sum(each.match is not None for each in socket.active_ns.values())


# ---- what the client is told


def accept(desk: Reception, endpoint: str) -> None:
    """Tell the client that it is in, and what it was sent meanwhile."""
    socket = desk.socket
    socket.release(endpoint, socket.confirmation(endpoint), deliver=True)


def _instead(namespaces: Mapping[str, Any]) -> str:
    """What to do about a page that asks for a namespace that is not there."""
    for name in namespaces:
        return f"Let the page ask for one of these, as by io({name or '/'!r}), or add this one"
    return "Add it where the application is wrapped, or where the view calls socketio_manage"


def deny(desk: Reception, endpoint: str, message: str, data: Any = None) -> None:
    """Tell the client that it is not let in, with the application's ``data``."""
    socket = desk.socket
    try:
        answer = socket.refusal(endpoint, message, data)
    except UsageError:
        desk.calls.complain(
            logging.ERROR,
            "refusal-unwritten",
            "%s %s: the data of ConnectionRefused cannot be written, and is left out",
            socket,
            endpoint or GLOBAL,
            exc_info=True,
        )
        answer = socket.refusal(endpoint, message)
    forgotten = socket.release(endpoint, answer, deliver=False)
    if forgotten:
        desk.calls.complain(
            logging.DEBUG,
            "emitted-and-refused",
            "%s %s: refused, so %d packets that were sent to it are dropped",
            socket,
            endpoint or GLOBAL,
            forgotten,
        )
    if socket.ends_with(endpoint):
        socket.close(Reason.REFUSED)
    desk.finish_if_done()
