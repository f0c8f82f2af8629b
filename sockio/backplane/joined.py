"""The backplane of one worker among several: its own sockets first, then the others'.

An emission is delivered here as if there was nobody else; then it is sent to every other worker,
encoded for each generation that is served. Nobody waits for it there, and nothing is sent twice: a
worker that does not read loses what is too much for it, and that is counted and said.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

from ..exceptions import PacketError, UsageError
from ..protocol.dialect import BaseCodec
from ..protocol.engine_codec import Attached, Bundle
from ..sessions.event_log import Origin
from ..sessions.outbox import Outgoing
from ..sessions.registry import SessionRegistry
from ..sessions.socket import Socket
from . import Emission, Order
from .channels import Lately
from .local import LocalBackplane
from .questions import Asked, AskedAll, Question
from .seen import Seen
from .wire import MOST_OF_A_NAME, Carried, are_rooms, check_rooms, pack, unpack

__all__ = ["COUNT", "EMISSION", "ORDER", "JoinedBackplane", "Way", "pack_order"]

#: Kinds of frames.
EMISSION, ORDER, COUNT = 1, 2, 5

_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Way(Protocol):
    """How other processes are reached: the mesh of a host, a Redis server."""

    @property
    def leads_anywhere(self) -> bool:
        """Whether there is anybody, as far as it is known."""
        ...

    @property
    def by_room(self) -> bool:
        """Whether what is for one room can spare those who have nobody in it."""
        ...

    def send(self, kind: int, namespace: str, data: bytes, room: Hashable | None = None) -> None:
        """Let all others have it, those of whom some are in the namespace at least; with ``room``,
        where the way is :attr:`by_room`, those of whom some are in that room. Never blocks."""
        ...

    def ask(self, group: str, question: Question) -> Asked | None:
        """Ask all others, without waiting; None where there is nobody."""
        ...

    def notify(self, group: str, event: str, args: list[Any]) -> None:
        """Have the others' functions called that are for ``event``. Never blocks. Raises
        ``UsageError`` for what cannot travel."""
        ...


class JoinedBackplane:
    """That of one middleware. ``group`` is the same for it in every process, and for no other.
    ``execute`` carries out what another process asks for; ``origin`` is what the name begins with
    that it has for the others (:data:`Origin`)."""

    def __init__(
        self,
        local: LocalBackplane,
        registry: SessionRegistry,
        group: str,
        execute: Callable[[Order], object],
        origin: str = "",
    ) -> None:
        self.local = local
        self.group = group
        self.execute = execute
        #: To the others.
        self.ways: list[Way] = []
        #: Where the setting ``recovery`` is on: how far each process was heard, this one among
        #: them, by the name that it has for that and the number of what it has said last.
        self.seen = Seen(registry.runtime)
        self._origin = origin + secrets.token_urlsafe(4), 0
        self._lately = Lately()
        self._registry = registry
        self._codecs = codecs_of(registry)
        self._names = {codec: name for name, codec in self._codecs.items()}

    # ---- to the others

    def publish(self, emission: Emission) -> None:
        for way in self.ways:
            if way.leads_anywhere:
                break
        else:
            self.local.publish(emission)
            return
        ways = [way for way in self.ways if way.leads_anywhere]
        # Before anybody has it.
        check_rooms(emission.rooms)
        check_rooms(emission.skip)
        origin: Origin | None = None
        if self._registry.recovery is not None:
            origin = self._origin = self._origin[0], self._origin[1] + 1
            self.seen.note(origin)
        mistake: UsageError | None = None
        try:
            encoded: Mapping[BaseCodec, Outgoing | None] = self.local.publish(emission, origin)
        except UsageError as error:
            encoded, mistake = {}, error
        data = self._packed(emission, encoded, origin)
        rooms = emission.rooms
        if rooms is None or len(rooms) != 1:
            for way in ways:
                way.send(EMISSION, emission.namespace, data)
        else:
            for way in ways:
                if way.by_room:
                    self._send_by_room(way, emission, rooms[0], data, encoded, origin)
                else:
                    way.send(EMISSION, emission.namespace, data)
        if mistake is not None:
            raise mistake

    def _send_by_room(
        self,
        way: Way,
        emission: Emission,
        room: Hashable,
        data: bytes,
        encoded: Mapping[BaseCodec, Outgoing | None],
        origin: Origin | None,
    ) -> None:
        namespace = emission.namespace
        if self._lately.has(namespace, room, self._registry.runtime.now()):
            way.send(EMISSION, namespace, data)
            return
        if origin is not None:
            # Its number would be missed by those whom it spares, and waited for.
            data = self._packed(emission, encoded, None)
        way.send(EMISSION, namespace, data, room)

    def _packed(
        self,
        emission: Emission,
        encoded: Mapping[BaseCodec, Outgoing | None],
        origin: Origin | None,
    ) -> bytes:
        forms: dict[str, Outgoing] = {}
        mistake: UsageError | None = None
        # With offsets it is for the clients of this worker alone.
        keeps = self._registry.recovery is not None
        for name, codec in self._codecs.items():
            if codec in encoded and not (keeps and codec.has_offsets):
                packet = encoded[codec]
            else:
                try:
                    packet = Outgoing(
                        codec.encode(emission.packet),
                        emission.namespace,
                        volatile=emission.volatile,
                    )
                except UsageError as error:
                    packet, mistake = None, error
            if packet is not None:
                forms[name] = packet
        if not forms and mistake is not None:
            raise mistake
        return pack(
            self.group,
            emission.namespace,
            emission.rooms,
            emission.skip,
            emission.volatile,
            forms,
            origin,
        )

    def tell(self, order: Order) -> None:
        """Have the other processes do it, too."""
        ways = [way for way in self.ways if way.leads_anywhere]
        if ways:
            data = pack_order(self.group, order)
            if order.what == "join":
                self._lately.note(order.namespace, order.args, self._registry.runtime.now())
            for way in ways:
                way.send(ORDER, order.namespace, data)

    def ask(self, question: Question) -> Asked | AskedAll | None:
        """Ask the other workers, without waiting; None where there is none. Raises ``UsageError``
        for what cannot travel."""
        asked: list[Asked] = []
        # What leads furthest first: what it cannot carry is said before anybody is asked.
        for way in reversed(self.ways):
            if way.leads_anywhere:
                one = way.ask(self.group, question)
                if one is not None:
                    asked.append(one)
        if len(asked) > 1:
            return AskedAll(asked)
        return asked[0] if asked else None

    def notify(self, event: str, args: list[Any]) -> None:
        """Have the functions of the other processes called, on all hosts. Raises ``UsageError`` for
        what cannot travel: then none is called."""
        for way in reversed(self.ways):
            if way.leads_anywhere:
                way.notify(self.group, event, args)

    # ---- from the others

    def take(self, kind: int, payload: bytes) -> bool:
        """Do what another worker has sent; whether it was for this one. Raises ``PacketError`` for
        what makes no sense."""
        if kind == EMISSION:
            carried = unpack(payload)
            if carried.group != self.group:
                return False
            self._deliver(carried)
            return True
        group, order = _read_order(payload)
        if group != self.group:
            return False
        self.execute(order)
        return True

    # ---- who comes

    def count(self, *, asks: bool) -> bytes:
        """What another process is told before anything else: how much was said here by then. It
        ``asks`` where it has to be told the same."""
        return _dumps([self.group, *self._origin, int(asks)]).encode()

    def take_count(self, payload: bytes) -> bool | None:
        """Take what another one tells by that; whether it asks; None where it was not for this one.
        Raises ``PacketError`` for what makes no sense."""
        try:
            group, name, number, asks = json.loads(payload)
            if not isinstance(name, str) or len(name) > MOST_OF_A_NAME or type(number) is not int:
                raise TypeError("it has other values")
        except (ValueError, TypeError, RecursionError) as error:
            raise PacketError(f"a count that cannot be read: {error}") from None
        if group != self.group:
            return None
        self.seen.note_before((name, number))
        return bool(asks)

    def _deliver(self, carried: Carried) -> None:
        namespace, rooms, skip, volatile = carried[1:5]
        recovery = self._registry.recovery
        if recovery is not None:
            packet = self._packet_of(carried) if recovery.wants({"type": "event"}) else None
            try:
                if packet is not None:
                    emission = Emission(namespace, packet, rooms, skip, volatile)
                    self.local.publish(emission, carried.origin)
                    return
            finally:
                if carried.origin is not None:
                    # Not before it is kept: whoever waits for it looks for it there.
                    self.seen.note(carried.origin)
        forms = carried.forms

        def form(socket: Socket) -> Outgoing | None:
            codec = socket.codec
            name = self._names.get(codec)
            if name is None:
                # With JSON functions of its own.
                name = "msgpack" if codec.whole_in_bytes else self._names[socket.shared_codec]
            return forms.get(name)

        self.local.deliver((namespace, rooms, skip), form)

    def _packet_of(self, carried: Carried) -> Mapping[str, Any] | None:
        """The packet itself, which has to be kept for who comes back."""
        for name in ("eio4", "eio3", "0.9"):
            form = carried.forms.get(name)
            codec = self._codecs.get(name)
            if form is None or codec is None:
                continue
            text: Any = form.text
            if name != "0.9":
                text = form.text[1:]
                if type(form.text) is Attached:
                    text = Bundle(text, list(form.attachments))
            packet = dict(codec.decode(text))
            packet.pop("id", None)
            packet["endpoint"] = carried.namespace
            return packet
        return None


def codecs_of(registry: SessionRegistry) -> dict[str, BaseCodec]:
    """Those that are served, by the names that they have between processes."""
    codecs: dict[str, BaseCodec] = {}
    if "0.9" in registry.settings.generations:
        codecs["0.9"] = registry.codec
    for generation, codec in registry.engines.items():
        codecs[f"eio{generation.engine}"] = codec
    if registry.packing is not None:
        codecs["msgpack"] = registry.packing
    return codecs


def pack_order(group: str, order: Order) -> bytes:
    """An order between processes. Raises ``UsageError`` for rooms that cannot travel."""
    check_rooms(order.rooms)
    check_rooms(order.skip)
    if order.what != "disconnect":
        check_rooms(order.args)
    rooms = None if order.rooms is None else [*order.rooms]
    whole = [group, order.what, order.namespace, rooms, [*order.skip], [*order.args]]
    return _dumps(whole).encode()


def _read_order(payload: bytes) -> tuple[str, Order]:
    """The group of an order, and the order. Raises ``PacketError`` for what is none."""
    try:
        group, what, namespace, rooms, skip, args = json.loads(payload)
        # Of another kind are those of a later release, which this one cannot carry out.
        right = are_rooms(args)
        if what == "disconnect":
            right = {*map(type, args)} == {bool} and len(args) <= 2
        if not (
            right
            and isinstance(namespace, str)
            and (rooms is None or are_rooms(rooms))
            and are_rooms(skip)
        ):
            raise TypeError("it has other values")
        named: tuple[Hashable, ...] | None = None if rooms is None else tuple(rooms)
        order = Order(str(what), namespace, named, frozenset(skip), tuple(args))
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise PacketError(f"an order that cannot be read: {error}") from None
    return str(group), order
