"""Emitting from a process that serves nobody: a task queue, a job, a script.

::

    emitter = sockio.Emitter("redis://localhost:6379")
    emitter.of("/chat").to("lobby").emit("said", "Dinner is ready")
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from time import monotonic
from typing import Any

from ..exceptions import UsageError
from ..protocol import msgpack_codec
from ..protocol.dialect import V09, BaseCodec, Codec
from ..protocol.engine_codec import EngineCodec
from ..protocol.generations import EIO3, EIO4
from ..protocol.strict_json import dumps_with
from ..sessions.event_log import Origin
from ..sessions.outbox import Outgoing
from . import Order
from .channels import HOST, Lately, among, called, channel_of, room_channel
from .joined import EMISSION, ORDER, pack_order
from .wire import check_rooms, pack

__all__ = ["Emitter"]


class Emitter:
    """Emits to the clients of all processes whose setting ``backplane`` is this server.

    ``resource`` is that of the middleware, and ``group`` its setting, where it has one;
    ``json_default(value)`` gives what JSON has for a value that it does not have. Every method
    that says something connects when that is needed, and blocks until Redis has answered: for
    seconds, where it does not. It raises ``OSError`` or redis-py's ``RedisError`` where that
    failed, and then does not know whether it was published: nothing is said twice. May be used
    by several threads; :meth:`of`, :meth:`to` and :meth:`skip` give new ones that share the
    connection. Needs the extra ``redis``; no gevent, and no loop.
    """

    def __init__(
        self,
        url: str,
        resource: str = "socket.io",
        *,
        group: str = "",
        json_default: Callable[[Any], Any] | None = None,
        backplane_rooms: bool = False,
    ) -> None:
        """``backplane_rooms`` is for servers that all have the setting: what is for one room goes
        to those processes only that have somebody in it.

        Raises ``UsageError`` for a URL that cannot be one, and without the packages."""
        # Only whoever makes one waits until redis-py is imported.
        from .redis.blocking import BlockingPublisher

        self._connection = BlockingPublisher(url)
        self._group = called(group) or resource.strip("/")
        self._named = among(self._group, self._connection.address.database)
        self._by_room = backplane_rooms
        self._lately, self._lock = Lately(), threading.Lock()
        dumps = None if json_default is None else dumps_with(json_default)
        plain = EngineCodec(EIO4, None, dumps)
        self._codecs: dict[str, BaseCodec] = {
            "0.9": Codec(V09, None, dumps),
            "eio3": EngineCodec(EIO3, None, dumps),
            "eio4": plain,
        }
        if msgpack_codec.available:
            self._codecs["msgpack"] = msgpack_codec.MsgpackCodec(plain)
        self._namespace = ""
        self._rooms: tuple[Hashable, ...] | None = None
        self._skip: frozenset[Hashable] = frozenset()

    def _narrowed(self, **what: Any) -> Emitter:
        other = Emitter.__new__(Emitter)
        other.__dict__.update(self.__dict__)
        other.__dict__.update(what)
        return other

    def of(self, namespace: str) -> Emitter:
        """Another namespace, all of it. The global one is ``""``."""
        if namespace and not namespace.startswith("/"):
            raise UsageError(f"of({namespace!r}): namespaces start with a slash: '/{namespace}'.")
        name = "" if namespace == "/" else namespace
        return self._narrowed(_namespace=name, _rooms=None, _skip=frozenset())

    def to(self, *rooms: Hashable) -> Emitter:
        """The members of these rooms, in addition to those of earlier ``to`` calls. A client's name
        (``namespace.id``) is a room that it alone is in."""
        check_rooms(rooms)
        return self._narrowed(_rooms=(self._rooms or ()) + rooms)

    def skip(self, *names: Hashable) -> Emitter:
        """All but the clients of these names, and but the members of rooms of these names."""
        check_rooms(names)
        return self._narrowed(_skip=self._skip.union(names))

    def emit(self, event: str, *args: Any, volatile: bool = False) -> None:
        """Send an event. Raises ``UsageError`` where ``args`` are not JSON and bytes."""
        self._publish({"type": "event", "name": event, "args": args}, volatile)

    def send(self, message: Any, json: bool = False, volatile: bool = False) -> None:
        """Send a message: text, or with ``json`` any JSON value."""
        self._publish({"type": "json" if json else "message", "data": message}, volatile)

    def join(self, *rooms: Hashable) -> None:
        """Put the clients into these rooms."""
        self._order("join", rooms)

    def leave(self, *rooms: Hashable) -> None:
        """Take the clients out of these rooms."""
        self._order("leave", rooms)

    def disconnect(self, silent: bool = False) -> None:
        """Disconnect the clients from the namespace."""
        self._order("disconnect", (silent,))

    def close(self) -> None:
        """Close the connection, which is made again when it is needed."""
        self._connection.close()

    def _publish(self, packet: Mapping[str, Any], volatile: bool) -> None:
        namespace, whole = self._namespace, {**packet, "endpoint": self._namespace}
        forms: dict[str, Outgoing] = {}
        mistake: UsageError | None = None
        for name, codec in self._codecs.items():
            try:
                forms[name] = Outgoing(codec.encode(whole), namespace, volatile=volatile)
            except UsageError as error:
                mistake = error
        if not forms and mistake is not None:
            raise mistake
        channel, by_room = self._channel()

        def data(origin: Origin) -> bytes:
            # Which clients need that go from one worker to another; what goes by a room's channel
            # does not come to all of those.
            whence = None if by_room else origin
            return pack(self._group, namespace, self._rooms, self._skip, volatile, forms, whence)

        self._say(EMISSION, data, channel)

    def _order(self, what: str, args: tuple[Hashable, ...]) -> None:
        order = Order(what, self._namespace, self._rooms, self._skip, args)
        data = pack_order(self._group, order)
        if what == "join" and self._by_room:
            with self._lock:
                self._lately.note(self._namespace, args, monotonic())
        self._say(ORDER, lambda origin: data, channel_of(self._named, self._namespace))

    def _channel(self) -> tuple[str, bool]:
        """Where an emission goes, and whether that is a room's."""
        namespace, rooms = self._namespace, self._rooms
        if not self._by_room or rooms is None or len(rooms) != 1:
            return channel_of(self._named, namespace), False
        with self._lock:
            lately = self._lately.has(namespace, rooms[0], monotonic())
        if lately:
            return channel_of(self._named, namespace), False
        return room_channel(self._named, namespace, rooms[0]), True

    def _say(self, kind: int, data: Callable[[Origin], bytes], channel: str) -> None:
        # Of no host.
        self._connection.publish(
            channel, lambda *origin: b"%b%c%b" % (b"-" * HOST, kind, data(origin))
        )
