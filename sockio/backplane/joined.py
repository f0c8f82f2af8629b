"""The backplane of one worker among several: its own sockets first, then the others'.

An emission is delivered here as if there was nobody else; then it is sent to every other worker,
encoded for each generation that is served. Nobody waits for it there, and nothing is sent twice: a
worker that does not read loses what is too much for it, and that is counted and said.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from ..exceptions import PacketError, UsageError
from ..protocol.dialect import BaseCodec
from ..protocol.engine_codec import Attached, Bundle
from ..sessions.outbox import Outgoing
from ..sessions.registry import SessionRegistry
from ..sessions.socket import Socket
from . import Emission, Order
from .local import LocalBackplane
from .mesh.mesh import Mesh
from .questions import Asked, Question, Questions
from .wire import Carried, check_rooms, pack, unpack

__all__ = ["EMISSION", "ORDER", "JoinedBackplane"]

log = logging.getLogger("sockio.mesh")

#: Kinds of frames.
EMISSION, ORDER = 1, 2

_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class JoinedBackplane:
    """That of one middleware. ``group`` is the same for it in every worker, and for no other.
    ``execute`` carries out what another worker asks for."""

    def __init__(
        self,
        local: LocalBackplane,
        mesh: Mesh,
        registry: SessionRegistry,
        group: str,
        execute: Callable[[Order], object],
        questions: Questions,
    ) -> None:
        self._local = local
        self._mesh = mesh
        self._registry = registry
        self._group = group
        self._execute = execute
        self._questions = questions
        self._codecs: dict[str, BaseCodec] = {}
        if "0.9" in registry.settings.generations:
            self._codecs["0.9"] = registry.codec
        for generation, codec in registry.engines.items():
            self._codecs[f"eio{generation.engine}"] = codec
        if registry.packing is not None:
            self._codecs["msgpack"] = registry.packing
        self._names = {codec: name for name, codec in self._codecs.items()}
        #: Emissions that were not sent to a worker, since it did not read those before.
        self.lost = 0

    # ---- to the others

    def publish(self, emission: Emission) -> None:
        mistake: UsageError | None = None
        links = self._mesh.links
        if links:
            # Before anybody has it.
            check_rooms(emission.rooms)
            check_rooms(emission.skip)
        try:
            encoded: Mapping[BaseCodec, Outgoing | None] = self._local.publish(emission)
        except UsageError as error:
            encoded, mistake = {}, error
        if links:
            self._send(emission, encoded)
        if mistake is not None:
            raise mistake

    def _send(self, emission: Emission, encoded: Mapping[BaseCodec, Outgoing | None]) -> None:
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
        if not forms:
            if mistake is not None:
                raise mistake
            return
        data = pack(
            self._group,
            emission.namespace,
            emission.rooms,
            emission.skip,
            emission.volatile,
            forms,
        )
        self._to_all(EMISSION, data)

    def tell(self, order: Order) -> None:
        """Have the other workers do it, too."""
        if not self._mesh.links:
            return
        check_rooms(order.rooms)
        check_rooms(order.skip)
        if order.what != "disconnect":
            check_rooms(order.args)
        self._to_all(ORDER, _dumps([self._group, *_plain(order)]).encode())

    def ask(self, question: Question) -> Asked | None:
        """Ask the other workers, without waiting; None where there is none."""
        return self._questions.ask(self._group, question) if self._mesh.links else None

    def _to_all(self, kind: int, data: bytes) -> None:
        for boot, link in list(self._mesh.links.items()):
            if not link.send(kind, data) and not link.closed:
                self.lost += 1
                self._registry.complaints.say(
                    log,
                    logging.ERROR,
                    ("mesh-full", boot),
                    "",
                    "worker %s does not read what is for it: an emission did not reach its clients "
                    "(%d so far). Its event loop is blocked, or has more to do than it can "
                    "[mesh-full]",
                    boot,
                    self.lost,
                )

    # ---- from the others

    def take(self, kind: int, payload: bytes) -> bool:
        """Do what another worker has sent; whether it was for this one. Raises ``PacketError`` for
        what makes no sense."""
        if kind == EMISSION:
            carried = unpack(payload)
            if carried.group != self._group:
                return False
            self._deliver(carried)
            return True
        order = _read_order(payload)
        if order.group != self._group:
            return False
        self._execute(order.order)
        return True

    def _deliver(self, carried: Carried) -> None:
        namespace, rooms, skip, volatile = carried[1:5]
        recovery = self._registry.recovery
        if recovery is not None and recovery.wants({"type": "event"}):
            packet = self._packet_of(carried)
            if packet is not None:
                self._local.publish(Emission(namespace, packet, rooms, skip, volatile))
                return
        forms = carried.forms

        def form(socket: Socket) -> Outgoing | None:
            codec = socket.codec
            name = self._names.get(codec)
            if name is None:
                # With JSON functions of its own.
                name = "msgpack" if codec.whole_in_bytes else self._names[socket.shared_codec]
            return forms.get(name)

        self._local.deliver((namespace, rooms, skip), form)

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


class _Read:
    __slots__ = ("group", "order")

    def __init__(self, group: str, order: Order) -> None:
        self.group = group
        self.order = order


def _plain(order: Order) -> list[Any]:
    rooms = None if order.rooms is None else [*order.rooms]
    return [order.what, order.namespace, rooms, [*order.skip], [*order.args]]


def _read_order(payload: bytes) -> _Read:
    try:
        group, what, namespace, rooms, skip, args = json.loads(payload)
        named: tuple[Hashable, ...] | None = None if rooms is None else tuple(rooms)
        order = Order(str(what), str(namespace), named, frozenset(skip), tuple(args))
        hash((order.rooms, order.args))
    except (ValueError, TypeError, RecursionError) as error:
        raise PacketError(f"an order that cannot be read: {error}") from None
    return _Read(str(group), order)
