"""Whose turn it is: what one client sends is handled one packet at a time, in the order it came.

One :class:`Dispatcher` per socket, which works in a task that exists only while there is something
to handle. Connects and disconnects of namespaces travel in the same order. What is done with each
is elsewhere:

=====================  ==========================================================================
:mod:`.inbox`          what waits, in what order, and how much that may be
:mod:`.calls`          packets for a handler, and acks for a callback
:mod:`.refusals`       what is not handled: counted, told to the client, told to the log
:mod:`.entering`       connects
:mod:`.leaving`        disconnects, and the end of the session
:mod:`.unconnected`    packets for a namespace that the client is not in
=====================  ==========================================================================
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..exceptions import PacketError
from ..protocol.engine_codec import Bundle
from ..protocol.packet import Opened, Packet
from ..protocol.strict_json import LARGE, default_json_loads
from ..runtime.interfaces import Runtime
from ..sessions.reasons import Reason
from ..sessions.rooms import Rooms
from ..sessions.socket import Socket
from ..sessions.states import State
from .calls import Calls
from .doorstep import Early
from .entering import accept, connect, deny
from .inbox import EARLY, ITEM, OPENING, OVERDUE, Farewell, Inbox, Item, Receipted, Waited
from .leaving import PATIENCE, Leaving
from .unconnected import Unconnected

__all__ = ["EARLY", "PATIENCE", "Dispatcher"]

#: Packets that are read when they arrive, and how long each may be: what is short, for a namespace
#: that is connected, and takes no code of the application's to read. Read one after the other they
#: cost a tenth less.
FEW, SHORT = 16, 250

# Looked at with every packet; an attribute of an enum is found slowly.
_CONNECTED = State.CONNECTED


class Dispatcher:
    """Handles what one client sends, and tells its namespaces when it is over."""

    __slots__ = (
        "_leaving",
        "_unconnected",
        "_working",
        "calls",
        "handling",
        "heard",
        "inbox",
        "rooms",
        "runtime",
        "socket",
    )

    def __init__(self, socket: Socket, runtime: Runtime, rooms: Rooms[Socket]) -> None:
        self.socket = socket
        self.runtime = runtime
        self.rooms = rooms
        self.inbox = Inbox(socket.config.max_inbox)
        self.calls = Calls(socket)
        self.handling: float | None = None
        self.heard = 0
        self._working = False
        self._unconnected: Unconnected | None = None
        self._leaving: Leaving | None = None

    # ---- what comes in

    @property
    def full(self) -> bool:
        return self.inbox.full

    def takes_early(self, size: int) -> bool:
        return self.inbox.takes_early(size)

    def open(self) -> None:
        socket = self.socket
        inbox = self.inbox
        if not socket.opens_global:
            pass
        elif socket.GLOBAL_NS in socket.namespaces:
            # Before whatever a hasty client posted ahead of its first poll.
            inbox.items.insert(0, OPENING)
        else:
            accept(self, "")
        if inbox.items:
            self.work_soon()
        inbox.crowded = False
        socket.resume()

    def submit(self, text: str | bytes | Bundle) -> None:
        socket = self.socket
        items = self.inbox.items
        if (
            len(text) < SHORT
            and len(items) < FEW
            and socket.active_ns  # else it is a connect, as nearly always
            and isinstance(text, str)
            and socket.codec.json_loads is default_json_loads
        ):
            try:
                packet, read, data = socket.codec.opened(text)
                if (
                    packet["endpoint"] in socket.active_ns
                    and packet.get("ack") is not True
                    and packet["type"] != "connect"
                ):
                    read(packet, data, default_json_loads)
                    items.append(packet)
                else:
                    self._wait(text)
            except PacketError:
                # Said when it is its turn. The error itself is not kept, with all that it holds.
                self._wait(text)
        else:
            self._wait(text)
        if not self._working and socket.state is _CONNECTED:
            self._working = True
            self.runtime.run(self._work)

    def _wait(self, text: str | bytes | Bundle) -> None:
        """Let a text wait as it is, but for the receipt that does not wait."""
        if not self._working:
            # It is its turn at once, receipt and all.
            self.inbox.put(text)
            return
        head = self.socket.codec.receipt_asked(text) if isinstance(text, str) else None
        if head is None or not self.calls.receipt(head):
            self.inbox.put(text)
        else:
            self.inbox.put_receipted(text)

    def part(self, endpoint: str, text: str | bytes | Bundle) -> None:
        socket = self.socket
        namespace = socket.get(endpoint)
        if (
            namespace is not None
            and not namespace._leaving
            and not socket.holding(endpoint)
            and not self.inbox.has_goodbye(endpoint, text)
        ):
            socket.received += 1
            self.leaving.bid_farewell(namespace, Reason.NAMESPACE_CLIENT)
        else:
            # Its connect may still be waiting, be it behind an end that waits as well.
            self.submit(text)

    def answer(self, opened: Opened) -> None:
        size = len(opened[2])
        self.heard += size
        self.inbox.begin_answer(size)
        self.runtime.run(self._answer, opened, size)

    def _answer(self, opened: Opened, size: int) -> None:
        try:
            self.calls.answer(opened)
        finally:
            self.inbox.end_answer(size)
            self._make_room()

    def leave(self, namespace: Any, reason: str, *, say: bool) -> None:
        self.leaving.leave(namespace, reason, say=say)

    def owes_an_ack(self) -> bool:
        # In place of the last words in a namespace: the session's end is its end, too.
        part = functools.partial(self.socket.part, self.calls.answering_in)
        return self.calls.let_finish(None, part)

    def close(self, reason: str, done: Callable[[], object]) -> None:
        if self._unconnected is not None:
            self._unconnected.close()
        self.leaving.close(reason, done)

    def finish_if_done(self) -> None:
        if self._leaving is not None:
            self._leaving.finish_if_done()

    # ---- turns

    def work_soon(self) -> None:
        if not self._working:
            self._working = True
            self.runtime.run(self._work)

    def _work(self) -> None:
        """Handle what is in the inbox, in order, and end when it is empty."""
        inbox = self.inbox
        items = inbox.items
        runtime = self.runtime
        now = runtime.now
        self.calls.task = runtime.task()
        started = now()
        turn_ends = started + runtime.share
        rested = False
        try:
            while items:
                # What takes long to read goes behind whoever asks for little.
                if started > turn_ends or (inbox.size >= LARGE and not rested and inbox.large_next):
                    crowd = self.socket.crowd
                    runtime.breathe("" if crowd is None else crowd.name)
                    started = now()
                    turn_ends = started + runtime.share
                    rested = True
                    continue
                item = items.pop(0)
                rested = False
                self.handling = started
                if self._leaving is not None:
                    self._leaving.watch()
                if isinstance(item, dict):
                    self._handle_read(item)
                elif isinstance(item, str):
                    inbox.size -= len(item) + ITEM
                    self._handle(item)
                else:
                    self._handle_item(item)
                self.handling = None
                if inbox.crowded:
                    self._make_room()
                if items:
                    started = now()
        finally:
            # Also on the way out of GreenletExit and the like: what waits is not stranded.
            self.handling = None
            self._working = False
            self.calls.task = None
            if items:
                self.work_soon()
            elif inbox.crowded:
                self._make_room()

    def _make_room(self) -> None:
        if self.inbox.makes_room():
            self.socket.resume()

    def rest(self) -> None:
        self.inbox.items.clear()
        self.inbox.crowded = False
        # They know this object: what was a client's is given back at once.
        if self._unconnected is not None:
            self._unconnected.close()
        self._unconnected = self._leaving = None
        self.socket.resume()

    # ---- what is done with each

    def _handle_item(self, item: Item) -> None:
        if isinstance(item, (bytes, Bundle)):
            self.inbox.size -= len(item) + ITEM
            self._handle(item)
        elif isinstance(item, Receipted):
            self.inbox.size -= item.weight
            self._handle(item.text, receipted=True)
        elif isinstance(item, Waited):
            self.inbox.size -= item.weight
            self._handle(item.text, counted=True)
        elif isinstance(item, Farewell):
            self.leaving.tell(item)
        elif item is OVERDUE:
            self.unconnected.give_up()
        else:
            connect(self, "", {"type": "connect", "endpoint": "", "qs": ""})

    def _handle_read(self, packet: Packet) -> None:
        socket = self.socket
        calls = self.calls
        if calls.rates is None:
            socket.received += 1
        elif not calls.count(packet):
            return
        namespace = socket.active_ns.get(packet["endpoint"])
        if namespace is None or namespace._deaf or namespace._told:
            # It was connected when this came: nothing waits for another connect.
            self.unconnected.handle("", packet, False, namespace is not None)
        elif packet["type"] == "disconnect":
            self.leaving.tell(Farewell(namespace, Reason.NAMESPACE_CLIENT, 0.0))
        else:
            calls.handle(namespace, packet, False)

    def _handle(
        self, text: str | bytes | Bundle, receipted: bool = False, counted: bool = False
    ) -> None:
        socket = self.socket
        codec = socket.codec
        calls = self.calls
        try:
            opened = codec.opened(text)
        except PacketError as error:
            calls.bad(error)
            return
        packet = opened[0]
        kind = packet["type"]
        endpoint = packet["endpoint"]
        namespace = socket.active_ns.get(endpoint)
        if kind != "connect":
            if namespace is None or namespace._deaf or namespace._told:
                # Not read: it may have to wait for long, and its objects would be larger.
                if counted or calls.count(packet):
                    self.unconnected.handle(text, packet, receipted, namespace is not None)
                return
            if kind == "disconnect":
                # The namespace's connect was still waiting when this arrived.
                socket.received += 1
                self.leaving.tell(Farewell(namespace, Reason.NAMESPACE_CLIENT, 0.0))
                return
        try:
            codec.read(opened)
        except PacketError as error:
            if kind != "connect" or namespace is not None or not calls.unread(error):
                calls.bad(error, counted)
            elif counted or calls.count(packet):
                deny(self, endpoint, "Not allowed")
            return
        if calls.rates is None:
            socket.received += not counted
        elif not counted and not calls.count(packet):
            return
        size = len(text)
        self.heard += size
        if kind == "connect":
            connect(self, endpoint, packet)
        else:
            calls.size = size
            try:
                calls.handle(namespace, packet, receipted)
            finally:
                calls.size = 0

    # ---- those who are made when they are needed

    @property
    def unconnected(self) -> Unconnected:
        """What is done with packets for namespaces that the client is not in."""
        if self._unconnected is None:
            self._unconnected = Unconnected(self.socket, self.calls, self._overdue)
        return self._unconnected

    def _overdue(self) -> None:
        self.inbox.items.append(OVERDUE)
        self.work_soon()

    def early_for(self, endpoint: str) -> list[Early]:
        """The client is at the door of ``endpoint``: what has waited for that."""
        return [] if self._unconnected is None else self._unconnected.came(endpoint)

    @property
    def leaving(self) -> Leaving:
        """What is done with namespaces that are left."""
        if self._leaving is None:
            self._leaving = Leaving(self)
        return self._leaving
