"""``@socket.io/redis-emitter`` for Node, and those in other languages that speak like it.

=========================== =============================== ======================================
channel                     payload                         what
=========================== =============================== ======================================
``KEY#NSP#``                msgpack ``[uid, packet, opts]`` an event for all, or for several rooms
``KEY#NSP#ROOM#``           the same                        for one room
``KEY-request#NSP#``        JSON                            join, leave, disconnect, serverSideEmit
=========================== =============================== ======================================

Where Node servers use the same key, their own messages come by the same channels: broadcasts are
like the emitter's, and what they ask each other is left out.

Facts: @socket.io/redis-emitter 5.1.0 and @socket.io/redis-adapter 8.3.0, ``dist/index.js``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...exceptions import PacketError, UsageError
from ...protocol.echo import echo
from ...protocol.msgpack_codec import available
from ...protocol.msgpack_values import unpack
from .. import Emission
from ..commands import (
    Command,
    CommandError,
    Disconnect,
    JoinRooms,
    LeaveRooms,
    Selection,
    ServerEvent,
)
from . import checks

__all__ = ["KEY", "patterns", "read"]

#: What channels begin with, unless both sides say otherwise.
KEY = "socket.io"

#: Of Socket.IO's packets: an event, and one that bytes belong to (socket.io-emitter before 4.0).
_EVENTS = (2, 5)
#: Requests that only those can answer who are servers of Node's cluster, and their answers.
_AMONG_SERVERS = (0, 1, 5, 7, 8, 9)
_JOIN, _LEAVE, _DISCONNECT, _SERVER_EVENT = 2, 3, 4, 6

_MAGIC = re.compile(r"([*?\[\]\\])")


def patterns(namespaces: Iterable[str], key: str = KEY) -> list[str]:
    """What to ``PSUBSCRIBE`` to, for the emissions and requests of some namespaces ("" is the
    global one). Not ``SUBSCRIBE`` to requests: Node's servers take whoever does for one of theirs,
    and wait for its answers.

    Raises ``UsageError`` where the package msgpack is missing.
    """
    if not available:
        raise UsageError(
            "the emitter for Node packs by MessagePack: pip install 'sockio-wsgi[msgpack]'"
        )
    begins = _literally(key)
    found = []
    for each in namespaces:
        name = _literally(each or "/")
        found += [f"{begins}#{name}#*", f"{begins}-request#{name}#"]
    return found


def _literally(text: str) -> str:
    """A pattern for Redis that matches the text alone."""
    return _MAGIC.sub(r"\\\1", text)


def read(channel: str, payload: bytes, key: str = KEY) -> Command | None:
    """What came by a channel. None for what is none of our business. Raises ``CommandError``."""
    try:
        if channel.startswith(f"{key}-request#"):
            return _request(channel[len(key) + len("-request#") :], payload)
        if channel.startswith(f"{key}#"):
            return _broadcast(channel[len(key) + 1 :], payload)
    except CommandError:
        raise
    except PacketError as error:
        raise CommandError(str(error)) from error
    return None


def _broadcast(where: str, payload: bytes) -> Emission:
    whole = unpack(payload)
    if not isinstance(whole, list) or len(whole) != 3:
        raise CommandError("a broadcast is a list of three")
    _, packet, options = whole
    if not isinstance(packet, dict) or not isinstance(options, dict):
        raise CommandError("a broadcast has a packet and options, which are maps")
    name = packet.get("nsp", "/")
    namespace = checks.namespace(name)
    if not (where.startswith(f"{name}#") and where.endswith("#")):
        raise CommandError("a broadcast is for another namespace than its channel")
    kind, data = packet.get("type"), packet.get("data")
    if type(kind) is not int or kind not in _EVENTS:
        raise CommandError(f"a broadcast is an event, not a packet of the type {echo(repr(kind))}")
    if not isinstance(data, list) or not data:
        raise CommandError("an event is a list, which begins with its name")
    flags = options.get("flags") or {}
    volatile = isinstance(flags, dict) and flags.get("volatile") is True
    return checks.emission(_selection(namespace, options), data[0], data[1:], volatile=volatile)


def _selection(namespace: str, options: Any) -> Selection:
    if not isinstance(options, dict):
        raise CommandError("its opts, which say for whom it is, are a map")
    return checks.selection(
        namespace,
        checks.rooms(options.get("rooms")),
        checks.rooms(options.get("except") or [], "rooms left out"),
    )


def _request(where: str, payload: bytes) -> Command | None:
    if not where.endswith("#"):
        raise CommandError("a channel of requests ends with #")
    namespace = checks.namespace(where[:-1])
    if payload[:1] != b"{":
        # In msgpack there are only those of servers to each other.
        whole = unpack(payload)
        if isinstance(whole, dict) and type(whole.get("type")) is int:
            return None
        raise CommandError("a request is a map with a type")
    request = checks.json_object(payload)
    kind = request.get("type")
    if type(kind) is not int:
        raise CommandError(f"a request has a type, which is a number, not {echo(repr(kind))}")
    if kind in _AMONG_SERVERS or "sid" in request:
        return None
    if kind == _SERVER_EVENT:
        data = request.get("data")
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            raise CommandError("an event for servers is a list, which begins with its name")
        return ServerEvent(namespace, tuple(data))
    if kind not in (_JOIN, _LEAVE, _DISCONNECT):
        raise CommandError(f"a request of the type {kind} means nothing here", "version")
    whom = _selection(namespace, request.get("opts"))
    if kind == _DISCONNECT:
        close = request.get("close", False)
        if not isinstance(close, bool):
            raise CommandError("whether to close is true or false")
        return Disconnect(whom, close)
    rooms = checks.rooms(request.get("rooms"))
    return JoinRooms(whom, rooms) if kind == _JOIN else LeaveRooms(whom, rooms)
