"""Who is here: the sessions of one middleware, by session id, and their deadlines.

The registry owns every socket from its handshake to its end. One wheel carries all deadlines; one
timer waits for the wheel.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Hashable, Mapping

from ..config.settings import Settings
from ..exceptions import EventRefused, RequestRefused, UsageError
from ..protocol.dialect import BaseCodec, Codec
from ..protocol.engine_codec import EngineCodec
from ..protocol.generations import Generation
from ..runtime.interfaces import Cancellable, Runtime, Signal
from ..runtime.remains import remains
from .complaints import Complaints
from .crowd import Crowd, Place, network_of
from .engine_socket import EngineSocket
from .ids import Ids
from .interfaces import PacketSink, Publisher
from .reasons import Reason
from .recovery import Recovery
from .returning_socket import ReturningSocket
from .rooms import Rooms
from .sayings import at_length, said
from .socket import Socket
from .states import State
from .wheel import Wheel

__all__ = ["Members", "SessionRegistry"]

log = logging.getLogger("sockio.registry")

#: Names of namespaces that are remembered, and names that are none.
KNOWN, UNKNOWN = 1000, 100
#: Sessions that are ended without a pause, where there is time.
PER_TURN = 100

# Looked at with every poll; an attribute of an enum is found slowly.
_AWAY = Place.AWAY


#: Gives the sockets that an emission is for: from a namespace, rooms, and what is left out.
Members = Callable[
    [str, "tuple[Hashable, ...] | None", "frozenset[Hashable]"],
    "list[Socket]",
]


class SessionRegistry:
    """The living sessions. ``socket.server`` is one of these."""

    def __init__(
        self,
        settings: Settings,
        runtime: Runtime,
        codec: Codec,
        rooms: Rooms[Socket],
        backplane: Publisher,
        make_sink: Callable[[Socket], PacketSink],
        engines: Mapping[Generation, EngineCodec] | None = None,
        packing: BaseCodec | None = None,
    ) -> None:
        self.settings = settings
        self.runtime = runtime
        self.codec = codec
        self.rooms = rooms
        self.backplane = backplane
        #: The part of it that reaches the sockets of this process, and no others.
        self.here = backplane
        #: What makes the ids of sessions and clients.
        self.ids = Ids()
        self._make_sink = make_sink
        # Made once: one of its own would be a good part of what an idle client costs.
        self._on_change = self._changed
        #: The codecs of the generations of Engine.IO that are served.
        self.engines: Mapping[Generation, EngineCodec] = engines or {}
        #: That of clients whose packets are bytes, where they are served.
        self.packing = packing
        #: One that copies what any generation could send.
        self.copier: BaseCodec = next(iter(self.engines.values()), codec)
        #: What lets clients come back to what they had, where the settings want that.
        self.recovery: Recovery | None = None
        if settings.recovery is not None:
            self.recovery = Recovery(
                runtime,
                *settings.recovery,
                grace=settings.ping_interval + settings.ping_timeout,
                rooms=rooms,
                most=settings.max_outbox,
                modern=next((each for each in self.engines.values() if each.has_offsets), None),
                old=codec,
            )
        # Clients by the names that they have to others, where that is not the session's id.
        self._named: dict[tuple[str, str], Socket] = {}
        #: Told when a name begins to be one of those, and when it is none any more.
        self.watch_name: Callable[[str, str, bool], object] | None = None
        #: Through this goes whatever is logged because of a client.
        self.complaints = Complaints(runtime, settings.log_lines)
        #: The names of the namespaces: those that are configured, or, where views give them, those
        #: that were given so far.
        self.known: set[str] = set()
        #: The patterns that names of further ones fit.
        self.known_patterns: set[re.Pattern[str]] = set()
        self._unknown: set[str] = set()
        #: Whether there has been a client, or it was said that there can be none.
        self.had_clients = False
        self._sockets: dict[str, Socket] = {}
        # Sessions that ended and whose namespaces are still being told.
        self._ending: dict[Socket, Crowd[Socket] | None] = {}
        # All that can be found, and the same by address.
        self._everybody: Crowd[Socket] = Crowd()
        self._crowds: dict[str, Crowd[Socket]] = {}
        self._wheel: Wheel[Socket] = Wheel()
        self._timer: Cancellable | None = None
        self._closing = False
        self._empty: Signal | None = None

    # ---- looking

    @property
    def closing(self) -> bool:
        """Whether it was closed: the server is ending."""
        return self._closing

    def __len__(self) -> int:
        return len(self._sockets)

    @property
    def sockets(self) -> dict[str, Socket]:
        """A snapshot of the living sessions by session id."""
        return dict(self._sockets)

    def get_socket(self, sessid: str) -> Socket | None:
        """The session with that id, or None.

        A session whose deadline has passed is ended first, so the answer never depends on how
        punctual the timer is.
        """
        socket = self._sockets.get(sessid)
        if socket is None:
            return None
        deadline = socket.deadline()
        now = self.runtime.now()
        if deadline is not None and deadline <= now:
            socket.handle_deadline(now)
            if not socket.findable:
                return None
        return socket

    def members(
        self,
        namespace: str,
        rooms: tuple[Hashable, ...] | None = None,
        skip: frozenset[Hashable] = frozenset(),
    ) -> list[Socket]:
        """Who is in a namespace, in any of ``rooms`` if that is not None, and in none of the rooms
        in ``skip``. A client's name (``namespace.id``) counts as a room that it alone is in. In the
        order in which they joined; costs as much as there are."""
        if rooms is None:
            found = self.rooms.members(namespace)
        elif len(rooms) == 1:
            found = self._in_room(namespace, rooms[0])
        else:
            found = list(
                dict.fromkeys(each for room in rooms for each in self._in_room(namespace, room))
            )
        if skip:
            left_out = {each for room in skip for each in self._in_room(namespace, room)}
            found = [each for each in found if each not in left_out]
        return found

    def _in_room(self, namespace: str, room: Hashable) -> list[Socket]:
        if isinstance(room, str):
            # First: names of rooms may come from clients, who must not hear what is for another.
            socket = self.find(namespace, room)
            if socket is not None and namespace in socket.active_ns:
                return [socket]
        return self.rooms.members(namespace, room)

    def join(self, socket: Socket, namespace: str, room: Hashable) -> None:
        """Put a client into a room. Raises ``UsageError`` where that is the name of another, who
        may be in another process, or gone: what is sent to that one is for it alone; and
        ``EventRefused`` where it is in as many rooms as it may be (``max_rooms``)."""
        if isinstance(room, str) and room != socket.name_in(namespace):
            here = self.find(namespace, room) is not None
            away = self.recovery is not None and self.recovery.is_name(namespace, room)
            given = room.removeprefix(self.settings.sid_prefix)
            if here or away or self.ids.is_name(given):
                raise UsageError(
                    f"join: the room {room[:6]}… is another client's name, which it alone is in."
                )
        self.rooms.join(socket, namespace, room)

    def put_into(self, socket: Socket, namespace: str, room: Hashable) -> None:
        """The same by order of others, whom it does not stop that this client is in as many rooms
        as it may be: the log says so."""
        try:
            self.join(socket, namespace, room)
        except EventRefused as refused:
            socket.complain(
                log,
                logging.WARNING,
                "too-many-rooms",
                "%s: it is not put into the room %s: %s",
                socket,
                said(room, repr),
                said(refused),
            )

    def find(self, namespace: str, name: str) -> Socket | None:
        """The client with that name (``namespace.id``) in a namespace, or None."""
        socket = self._named.get((namespace, name))
        if socket is None:
            socket = self._sockets.get(name)
            if socket is not None and socket.name_in(namespace) != name:
                # A session's id is a credential, and no name.
                return None
        return socket

    def register_name(self, namespace: str, name: str, socket: Socket) -> None:
        """A client is called ``name`` in a namespace from now on."""
        if self.watch_name is not None and (namespace, name) not in self._named:
            self.watch_name(namespace, name, True)
        self._named[namespace, name] = socket

    def unregister_name(self, namespace: str, name: str, socket: Socket) -> None:
        """``socket`` is not called so any more; who has come back may be."""
        if self._named.get((namespace, name)) is socket:
            del self._named[namespace, name]
            if self.watch_name is not None:
                self.watch_name(namespace, name, False)

    def emitted_to_unknown(self, namespace: str) -> None:
        """Say once that an emit to ``namespace`` reached nobody, since there is none of that name.

        While no namespace is known, a view has not let in the first client yet: only where there
        can be none something is said.
        """
        if not (self.known or self.known_patterns):
            if not self.had_clients:
                self.emitted_to_nobody()
            return
        if len(self.known) >= KNOWN or namespace in self._unknown:
            return
        if len(self._unknown) >= UNKNOWN:
            return
        if any(pattern.fullmatch(namespace) for pattern in self.known_patterns):
            return
        self._unknown.add(namespace)
        known = [repr(name) for name in sorted(self.known)[:20]]
        known += sorted(f"re.compile({each.pattern!r})" for each in self.known_patterns)[:20]
        self.complaints.say(
            log,
            logging.WARNING,
            "emit-to-unknown",
            "",
            "of(%r) reaches nobody: there is no namespace of that name, or no client was given one "
            "yet; known: %s [emit-to-unknown]",
            namespace,
            at_length(", ".join(known)),
        )

    def emitted_to_nobody(self) -> None:
        """Say once that what is emitted reaches nobody, in a process that no server runs in."""
        if self.runtime.bound:
            return
        self.had_clients = True
        self.complaints.say(
            log,
            logging.WARNING,
            "no-server",
            "",
            "of(): nothing is sent: no server runs in this process, or it has served no request "
            "yet. From a task queue or a shell, sockio.Emitter(URL) reaches servers that have the "
            "setting backplane=URL; or ask a view of the server by HTTP [no-server]",
        )

    # ---- coming and going

    def create(
        self, address: str, generation: Generation | None = None, token: str | None = None
    ) -> Socket:
        """A new socket that is in no index yet; :meth:`admit` makes it findable. Without a
        ``generation`` of Engine.IO it is one of 0.9, which may come back where it has a ``token``.
        """
        prefix = self.settings.sid_prefix
        sessid = prefix + self.ids.session()
        while sessid in self._sockets:
            sessid = prefix + self.ids.session()
        socket: Socket
        settings, runtime, on_change = self.settings, self.runtime, self._on_change
        if generation is not None:
            engine = self.engines[generation]
            socket = EngineSocket(sessid, self, settings, engine, runtime, on_change)
        elif token is not None and self.recovery is not None:
            socket = ReturningSocket(sessid, self, settings, self.codec, runtime, on_change, token)
        else:
            socket = Socket(sessid, self, settings, self.codec, runtime, on_change)
        socket.address = address
        socket.dispatcher = self._make_sink(socket)
        return socket

    def check_room_for(self, address: str) -> None:
        """Raise ``RequestRefused`` when the server is shutting down, and when there are as many
        sessions as ``max_sessions`` allows, of this address or of all, and all are in use."""
        if self._closing:
            # Closed, so that a client which keeps its connections finds the next server.
            raise RequestRefused(
                "503 Service Unavailable",
                "handshake error",
                code="shutting-down",
                detail="the server is shutting down",
                close=True,
            )
        crowd = self._crowds.get(network_of(address))
        of_one, of_all = self.settings.max_sessions
        for limit, some in ((of_one, crowd), (of_all, self._everybody)):
            if some is None or not limit:
                continue
            if some.ending >= limit:
                # Handlers that do not end keep what they have, and no eviction would end them.
                raise self._full(some, limit)
            if len(some) >= limit:
                self._first_to_go(some, limit)

    def _first_to_go(self, crowd: Crowd[Socket], limit: int) -> Socket:
        socket = crowd.first_to_go(self.runtime.now())
        if socket is None:
            raise self._full(crowd, limit)
        return socket

    def _full(self, crowd: Crowd[Socket], limit: int) -> RequestRefused:
        whose = f"{crowd.name} has" if crowd.name else "there are"
        waiting = f", {crowd.ending} more wait for handlers to end" if crowd.ending else ""
        return RequestRefused(
            "503 Service Unavailable",
            "handshake error",
            code="too-many-sessions",
            detail=f"{whose} {len(crowd)} sessions, and all are in use{waiting}. Raise "
            f"max_sessions ({limit}); if this is your proxy's address, name it in trusted_proxies.",
        )

    def _make_room(self, crowd: Crowd[Socket]) -> None:
        """End the sessions in whose place one more comes. Raises ``RequestRefused`` where none is
        to be ended."""
        settings = self.settings
        while crowd.number_of_fleeting >= settings.max_unopened:
            self._evict(crowd.oldest_fleeting(), "max_unopened")
        of_one, of_all = settings.max_sessions
        for limit, some in ((of_one, crowd), (of_all, self._everybody)):
            while limit and len(some) >= limit:
                self._evict(self._first_to_go(some, limit), "max_sessions")

    def _evict(self, socket: Socket | None, limit: str) -> None:
        if socket is None:
            return
        socket.complain(
            log,
            logging.WARNING,
            ("evicted", limit),
            "%s has too many sessions (%s), and a newer one takes the place of the oldest that "
            "nobody uses. If this is your proxy's address, name it in trusted_proxies. [evicted]",
            socket.address,
            limit,
            quiet=True,
        )
        socket.close(Reason.EVICTED, say=False)

    def admit(self, socket: Socket) -> None:
        """The handshake succeeded: requests with the socket's id find it from now on.

        Raises ``RequestRefused`` like :meth:`check_room_for`, which may have been asked long ago:
        many handshakes can be waiting for their views at once. Where there is no more room, and one
        that nobody uses can be ended for it, that is ended.
        """
        self.check_room_for(socket.address)
        name = network_of(socket.address)
        crowd = self._crowds.get(name)
        if crowd is None:
            crowd = Crowd(name, self._everybody)
        self._make_room(crowd)
        # Whoever made room may have been the last of its address.
        crowd = self._crowds.setdefault(name, crowd)
        socket.crowd = crowd
        socket.filed = Place.FLEETING
        crowd.add(socket, Place.FLEETING)
        self._everybody.add(socket, Place.FLEETING)
        if len(self.known) < KNOWN:
            self.known.update(socket.namespaces)
            self.known_patterns.update(getattr(socket.namespaces, "patterns", ()))
        self._sockets[socket.sessid] = socket
        self.had_clients = True
        socket.admit()

    def refuse_others(self) -> None:
        """Take no new sessions: the server is about to end."""
        self._closing = True

    def lose_all(self) -> None:
        """End every session, for the server ends, and keep what its client may come back for
        elsewhere. Blocks the calling task, for others meanwhile."""
        for number, socket in enumerate(list(self._sockets.values()), 1):
            socket.close(Reason.SHUTDOWN, say=False, flush=True)
            if number % PER_TURN == 0:
                self.runtime.breathe()

    def close_all(self, reason: str = Reason.SHUTDOWN) -> None:
        """End every session, and refuse new ones. Websockets are closed with code 1001."""
        self._closing = True
        for socket in list(self._sockets.values()):
            socket.close(reason, say=False, flush=True)
        if self.recovery is not None:
            self.recovery.close()
        self.complaints.close()

    def reopen(self) -> None:
        """Take new sessions again: the server that was stopped has a successor in this process."""
        self._closing = False
        if self.recovery is not None:
            self.recovery.reopen()
        self.complaints.reopen()

    def wait_until_empty(self, timeout: float) -> bool:
        """Block the calling task until the last session has ended; False after ``timeout``."""
        if self._sockets or self._ending:
            self._empty = self.runtime.signal()
            self._empty.wait(timeout)
        return not (self._sockets or self._ending)

    # ---- deadlines

    def _changed(self, socket: Socket) -> None:
        """A socket's state or deadline changed: keep the indexes true."""
        if not socket.findable:
            if self._sockets.get(socket.sessid) is socket:
                del self._sockets[socket.sessid]
                self._begin_end(socket)
            self._wheel.remove(socket)
            if not self._sockets:
                self._rest()
            if socket.state is State.DISCONNECTED:
                self._end(socket)
                if self._closing and not self._sockets and not self._ending:
                    # The last ends were lines, too.
                    self.complaints.close()
                if self._empty is not None and not self._sockets and not self._ending:
                    self._empty.set()
            return
        # Asked with every poll and every heartbeat: one that has been away stays filed so.
        if socket.filed is not _AWAY:
            place = socket.place
            if place is not socket.filed and socket.crowd is not None:
                socket.filed = place
                socket.crowd.move(socket, place)
                self._everybody.move(socket, place)
        if self._wheel.file(socket):
            self._set_timer()

    def _begin_end(self, socket: Socket) -> None:
        """Nobody finds it any more; it is counted until its handlers have ended, too."""
        crowd, socket.crowd = socket.crowd, None
        self._ending[socket] = crowd
        if crowd is not None:
            for each in (crowd, self._everybody):
                each.remove(socket)
                each.ending += 1

    def _end(self, socket: Socket) -> None:
        remains.add(socket)
        crowd = self._ending.pop(socket, None)
        if crowd is not None:
            crowd.ending -= 1
            self._everybody.ending -= 1
            if not crowd and not crowd.ending:
                del self._crowds[crowd.name]

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        when = self._wheel.next()
        self._timer = None if when is None else self.runtime.at(when, self._tick)

    def _rest(self) -> None:
        """Nobody is here: no timer shall wait for a deadline that nobody has."""
        self._wheel = Wheel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        now = self.runtime.now()
        due = self._wheel.due(now)
        try:
            for number, socket in enumerate(due):
                if number and self.runtime.busy_for_long():
                    # Who has come with thousands can be silent with thousands: others first.
                    self._wheel.put_back(due[number:])
                    break
                try:
                    socket.handle_deadline(now)
                except Exception:
                    # One socket's trouble must not keep the others' deadlines from being met.
                    socket.complain(
                        log,
                        logging.ERROR,
                        "deadline-failed",
                        "%s: its deadline could not be handled",
                        socket,
                        exc_info=True,
                    )
        finally:
            self._set_timer()

    # ---- for tests and the doctor

    def check(self) -> None:
        """Assert what must always hold between the indexes. Costs a walk over all of them."""
        for sessid, socket in self._sockets.items():
            assert socket.sessid == sessid
            assert socket.findable, f"{socket} is over and can still be found"
            assert socket.deadline() is not None, f"{socket} has no deadline"
        for socket in self._ending:
            assert socket.state is State.DISCONNECTING, f"{socket} has ended and is kept"
        assert self._everybody.ending == len(self._ending)
        assert sum(crowd.ending for crowd in self._crowds.values()) == len(self._ending)
        members: dict[str, list[Socket]] = {name: [] for name in self._crowds}
        for socket in self._sockets.values():
            name = network_of(socket.address)
            assert socket.crowd is not None
            assert socket.crowd is self._crowds.get(name)
            assert socket.filed is socket.place or (socket.filed is _AWAY and socket.settled)
            members[name].append(socket)
        for name, crowd in self._crowds.items():
            assert crowd.name == name
            self._check_crowd(crowd, members[name])
        self._check_crowd(self._everybody, list(self._sockets.values()))
        for (namespace, name), socket in self._named.items():
            assert socket.name_in(namespace) == name
            assert namespace in socket.active_ns, (
                f"{socket} left {namespace!r} and has a name there"
            )
        alive = [*self._sockets.values(), *self._ending]
        self.rooms.check(alive)
        if self.recovery is not None:
            self.recovery.check(alive)

    @staticmethod
    def _check_crowd(crowd: Crowd[Socket], members: list[Socket]) -> None:
        assert len(crowd) == len(members)
        assert set(crowd.fleeting) == {each for each in members if each.filed is Place.FLEETING}
        assert set(crowd.away) == {each for each in members if each.filed is Place.AWAY}
