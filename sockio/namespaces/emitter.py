"""Sending to many, from anywhere: ``middleware.of("/chat").to("lobby").emit("event", ...)``."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from ..backplane import Emission, Order
from ..backplane.questions import ANSWERED, OTHER_HOSTS, Question
from ..exceptions import UsageError
from ..runtime.interfaces import Runtime
from ..runtime.pace import Pace
from ..sessions.acks import Waiting
from ..sessions.interfaces import Publisher
from ..sessions.recovery import Recovery
from ..sessions.registry import SessionRegistry
from ..sessions.sayings import said
from ..sessions.socket import Socket
from ..sessions.stay import Stay
from .handlers import RESERVED, check_event

__all__ = ["Emitter", "Fetched", "Replies", "SocketInfo", "check_room"]


#: Clients that are asked without a pause.
PER_TURN = 250
#: Seconds that other workers get beyond those that their clients have, to say what these answered.
GRACE = 0.5


def check_room(room: Hashable) -> None:
    """Raise ``UsageError`` for what can be no room."""
    try:
        hash(room)
    except TypeError:
        raise UsageError(
            f"{said(room, repr)} can be no room: its name must be hashable, such as a string, a "
            "number or a tuple. Pass several rooms as several arguments."
        ) from None


class Replies(NamedTuple):
    """What came of a question to many."""

    #: The answers by the client's name (``namespace.id``), in the order in which they came: None
    #: for an ack without arguments, its argument, or a tuple of several.
    answers: dict[str, Any]
    #: The names of those who did not answer in time, went away, or could not be asked; and, as
    #: ``worker NAME``, of workers that did not say what their clients have answered; and ``other
    #: hosts`` where those could not be asked, or not all of them are known.
    missing: list[str]


class SocketInfo(NamedTuple):
    """A client of any worker, as :meth:`Emitter.fetch_sockets` tells of it."""

    #: What it is called (``namespace.id``).
    id: str
    #: The rooms that it is in.
    rooms: frozenset[Hashable]
    #: Where it comes from.
    address: str
    #: Its worker; "" for one of this process.
    worker: str

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{name!r}: fetch_sockets() tells the id, rooms, address and worker of each client, "
            "which may be in another process. Put what others have to know of it into the name of "
            "a room that it joins, such as 'user:ada'; sockets() gives the sockets of this process."
        )


class Fetched(NamedTuple):
    """The clients of all workers."""

    sockets: list[SocketInfo]
    #: Workers that did not answer in time, or died meanwhile; ``other hosts`` where those could not
    #: be asked, or not all of them are known.
    missing: list[str]

    def __bool__(self) -> bool:
        """Whether there is any client, as far as it was said."""
        return bool(self.sockets)


class _Ends(NamedTuple):
    """How members of a namespace are disconnected."""

    silent: bool
    #: Whether their sessions end, too.
    close: bool

    def end(self, socket: Socket, namespace: Any) -> None:
        if self.close:
            socket.disconnect(self.silent)
        elif namespace is not None:
            namespace.disconnect(self.silent)

    def end_in_turns(self, leaving: list[tuple[Socket, Any]], runtime: Runtime) -> None:
        """The same for thousands, which takes a while: others go on meanwhile. Does not block: from
        now on none of these is heard in the namespace, or hears anything but its end."""
        later = []
        for socket, namespace in leaving:
            if namespace is None or socket.holding(namespace.ns_name):
                # It is at the door still.
                self.end(socket, namespace)
            elif not (namespace._leaving or namespace._told):
                namespace._deaf = True
                socket.seal(namespace.ns_name)
                later.append((socket, namespace))
        runtime.run(self._end_each, later, runtime)

    def _end_each(self, leaving: list[tuple[Socket, Any]], runtime: Runtime) -> None:
        pace = Pace(runtime)
        for socket, namespace in leaving:
            pace.keep()
            # It may have gone by itself, and come back.
            if socket.get(namespace.ns_name) is namespace:
                self.end(socket, namespace)


class Emitter:
    """A namespace, maybe narrowed to rooms or clients, that can be emitted to.

    It never changes: :meth:`to`, :meth:`socket`, :meth:`skip` and :attr:`local` give a new one, so
    an emitter can be kept and shared. Works in handlers, views, background tasks and in other
    native threads alike, but for :meth:`call` and :meth:`sockets`, which belong in the server's
    thread.
    """

    __slots__ = ("_local", "_namespace", "_registry", "_rooms", "_skip")

    def __init__(
        self,
        registry: SessionRegistry,
        namespace: str,
        rooms: tuple[Hashable, ...] | None = None,
        skip: frozenset[Hashable] = frozenset(),
        local: bool = False,
    ) -> None:
        self._registry = registry
        self._local = local
        self._namespace = namespace
        self._rooms = rooms
        self._skip = skip

    def to(self, *rooms: Hashable) -> Emitter:
        """The members of these rooms, in addition to those of earlier ``to`` calls. A client's name
        (``namespace.id``) is a room that it alone is in."""
        for room in rooms:
            check_room(room)
        rooms = (self._rooms or ()) + rooms
        return Emitter(self._registry, self._namespace, rooms, self._skip, self._local)

    def socket(self, name: str) -> Emitter:
        """The client of that name (``namespace.id``), and nobody if there is none (any more)."""
        return self.to(name)

    def skip(self, *names: Hashable) -> Emitter:
        """All but the clients of these names (``namespace.id``), and but the members of rooms of
        these names."""
        for name in names:
            check_room(name)
        skip = self._skip.union(names)
        return Emitter(self._registry, self._namespace, self._rooms, skip, self._local)

    @property
    def local(self) -> Emitter:
        """Those that are clients of this process: other workers are not told, and not asked."""
        return Emitter(self._registry, self._namespace, self._rooms, self._skip, True)

    def emit(self, event: str, *args: Any, volatile: bool = False) -> None:
        """Send an event to every member that is connected now. Never blocks, but in another native
        thread, which waits while too much of what threads have emitted is not worked off.

        Encoded once for each generation of clients, whatever the number of members. Raises
        ``UsageError`` when ``args`` are not JSON and bytes, and for an event whose name is the
        client's own, such as ``connect``; the former also while the server has no clients at all,
        but not where others than these are connected: it is written for those who get it.
        ``volatile`` drops it for clients that cannot take it right now.
        """
        if event in RESERVED:
            check_event(event)
        self._publish({"type": "event", "name": event, "args": args}, volatile)

    def send(self, message: Any, json: bool = False, volatile: bool = False) -> None:
        """Send a message (text, or with ``json`` any JSON value). Otherwise like :meth:`emit`."""
        self._publish({"type": "json" if json else "message", "data": message}, volatile)

    def call(self, event: str, *args: Any, timeout: float | None = None) -> Replies:
        """Send an event to every member that is connected now, and wait for their acks.

        Blocks the calling task until all have answered, or ``timeout`` seconds (setting
        ``ack_timeout`` when None) are over; other clients go on meanwhile. Does not raise for who
        does not answer: see :class:`Replies`. Encoded once for each client, as each has an id of
        its own for the ack. Asks the clients of all workers, where there are several.
        """
        check_event(event)
        self._check_here("call")
        runtime, seconds = self._registry.runtime, self._seconds(timeout)
        asked = self._ask("call", seconds, (event, list(args)))
        ends = runtime.now() + seconds
        replies = self.call_here(event, args, seconds)
        if asked is not None:
            # What they say of who has not answered in time comes a moment later.
            answers, missing = asked.wait(ends + GRACE - runtime.now())
            for there in answers.values():
                for name, values in there[0]:
                    replies.answers[name] = values[0] if len(values) == 1 else tuple(values) or None
                replies.missing.extend(there[1])
            replies.missing.extend(
                [each if each == OTHER_HOSTS else f"worker {each}" for each in missing]
            )
        return replies

    def fetch_sockets(self, timeout: float | None = None) -> Fetched:
        """The clients that an emit would reach now, in all workers: see :class:`SocketInfo`.

        Blocks the calling task until all workers have answered, or for ``timeout`` seconds (5 when
        None). Does not raise for a worker that does not answer: it is among
        the ``missing``.
        """
        self._check_here("fetch_sockets")
        seconds = ANSWERED if timeout is None else timeout
        asked = self._ask("sockets", seconds, ())
        found = [
            SocketInfo(name, frozenset(rooms), address, "")
            for name, rooms, address in self.sockets_here()
        ]
        if asked is None:
            return Fetched(found, [])
        answers, missing = asked.wait(seconds)
        for boot, there in answers.items():
            found += [
                SocketInfo(name, frozenset(rooms), address, boot) for name, rooms, address in there
            ]
        return Fetched(found, missing)

    def sockets_here(self) -> list[tuple[str, list[Hashable], str]]:
        """Name, rooms and address of each client of this process."""
        namespace, rooms = self._namespace, self._registry.rooms
        return [
            (each.name_in(namespace), list(rooms.rooms_of(each, namespace)), each.address)
            for each in self.sockets()
        ]

    def _check_here(self, name: str) -> None:
        if not self._registry.runtime.here():
            raise UsageError(
                f"{name}() waits in the server's own thread; from another thread use emit()."
            )

    def _seconds(self, timeout: float | None) -> float:
        return self._registry.settings.ack_timeout if timeout is None else timeout

    def _ask(self, what: str, seconds: float, values: tuple[Any, ...]) -> Any:
        question = Question(what, self._namespace, self._rooms, self._skip, seconds, values)
        return self._backplane().ask(question)

    def _backplane(self) -> Publisher:
        return self._registry.here if self._local else self._registry.backplane

    def call_here(self, event: str, args: Sequence[Any], seconds: float) -> Replies:
        """:meth:`call` for the clients of this process."""
        runtime = self._registry.runtime
        done = runtime.signal()
        answers: dict[str, Any] = {}
        open_names: dict[str, None] = {}
        missing: list[str] = []

        def settled(name: str) -> None:
            open_names.pop(name, None)
            if not open_names:
                done.set()

        def ask(namespace: Any, name: str) -> bool:
            def answered(*values: Any) -> None:
                answers[name] = values[0] if len(values) == 1 else values or None
                settled(name)

            def failed(reason: str) -> None:
                missing.append(name)
                settled(name)

            waiting = Waiting(answered, runtime.now() + seconds, failed=failed, direct=True)
            packet = {"type": "event", "name": event, "args": args}
            return bool(namespace._send_expecting(packet, waiting, volatile=False))

        asked = [
            (namespace, socket.name_in(self._namespace))
            for socket in self._asked()
            if (namespace := socket.get(self._namespace)) is not None
        ]
        open_names.update((name, None) for _, name in asked)
        for number, (namespace, name) in enumerate(asked, 1):
            if not ask(namespace, name) and name in open_names:
                missing.append(name)
                settled(name)
            if number % PER_TURN == 0:
                # It waits anyway: thousands are not asked in one go.
                runtime.breathe()
        if open_names and not done.wait(seconds):
            missing += open_names
        # Copies: who answers a moment too late finds the callback still there.
        return Replies(dict(answers), list(missing))

    def sockets(self) -> list[Socket]:
        """The sockets of this process that an emit would reach now. ``socket["/chat"]`` is the
        instance of the namespace class for each, with its ``id``. Those of other workers:
        :meth:`fetch_sockets`."""
        return self._registry.members(self._namespace, self._rooms, self._skip)

    def join(self, *rooms: Hashable) -> None:
        """Put every member that is connected now into these rooms, and those who are away and may
        come back (setting ``recovery``). Whoever is in as many as ``max_rooms`` says is left out,
        with a line in the log. Never blocks."""
        for room in rooms:
            check_room(room)
        self._do(self._everywhere, "join", rooms)

    def leave(self, *rooms: Hashable) -> None:
        """Take every member out of these rooms, those who may come back among them. Never
        blocks."""
        for room in rooms:
            check_room(room)
        self._do(self._everywhere, "leave", rooms)

    def disconnect(self, silent: bool = False) -> None:
        """Disconnect every member from the namespace, as ``namespace.disconnect()`` does. Those who
        are away begin anew when they are back. Never blocks: thousands are thrown out in turns, and
        hear nothing else from now on."""
        self._do(self._everywhere, "disconnect", (silent,))

    def carry_out(self, what: str, args: tuple[Hashable, ...]) -> None:
        """Do in this process what :class:`~sockio.backplane.Order` names."""
        if what == "join":
            self._join(args)
        elif what == "leave":
            self._leave(args)
        elif what == "disconnect":
            self._disconnect(bool(args[0]), close=any(args[1:]))

    def _everywhere(self, what: str, args: tuple[Hashable, ...]) -> None:
        self.carry_out(what, args)
        order = Order(what, self._namespace, self._rooms, self._skip, args)
        self._backplane().tell(order)

    def _join(self, rooms: tuple[Hashable, ...]) -> None:
        for socket in self._asked():
            for room in rooms:
                self._registry.put_into(socket, self._namespace, room)
        for recovery, stay in self._absent():
            for room in rooms:
                recovery.join(stay, room)
            self._registry.rooms.await_return(self._namespace, rooms)

    def _leave(self, rooms: tuple[Hashable, ...]) -> None:
        for socket in self._asked():
            for room in rooms:
                self._registry.rooms.leave(socket, self._namespace, room)
        for _, stay in self._absent():
            for room in rooms:
                stay.marks.pop(room, None)

    def _disconnect(self, silent: bool, *, close: bool) -> None:
        leaving = [(socket, socket.get(self._namespace)) for socket in self._asked()]
        ends = _Ends(silent, close)
        if len(leaving) <= PER_TURN:
            for socket, namespace in leaving:
                ends.end(socket, namespace)
        else:
            ends.end_in_turns(leaving, self._registry.runtime)
        for recovery, stay in self._absent():
            recovery.forget(stay, self._namespace)

    def _absent(self) -> list[tuple[Recovery, Stay]]:
        """The members that have lost their connection and may be back (setting ``recovery``)."""
        recovery = self._registry.recovery
        if recovery is None:
            return []
        absent = recovery.absent(self._namespace, self._rooms, self._skip)
        return [(recovery, stay) for stay in absent]

    def _do(self, fn: Callable[..., None], *args: Any) -> None:
        """Do it in the server's thread."""
        runtime = self._registry.runtime
        if runtime.here():
            fn(*args)
        elif not self._registry.closing:
            runtime.from_thread(fn, *args)

    def _publish(self, packet: Mapping[str, Any], volatile: bool) -> None:
        registry = self._registry
        here, size = registry.runtime.here(), 0
        sent: Mapping[str, Any] = {**packet, "endpoint": self._namespace}
        if not here:
            # What cannot be written must raise here, where somebody can see it; and what is sent is
            # what it was now, whatever this thread does to it next.
            sent, size = registry.copier.copy(sent)
        emission = Emission(self._namespace, sent, self._rooms, self._skip, volatile)
        if here:
            self._backplane().publish(emission)
            if not len(registry) and registry.runtime.bound:
                # Nobody whom it was written for: what cannot be is said before somebody is here.
                registry.copier.encode(sent)
        elif registry.closing:
            return  # There is nobody to wait for, and nobody to hear it.
        else:
            registry.runtime.from_thread(self._backplane().publish, emission, size=size)
        if self._namespace not in registry.known or not registry.had_clients:
            self._do(self._nobody)

    def _asked(self) -> list[Socket]:
        """Those with whom something is done; who misspelt their namespace is told, and who asks
        where there can be nobody."""
        registry = self._registry
        if self._namespace not in registry.known or not registry.had_clients:
            self._nobody()
        return self.sockets()

    def _nobody(self) -> None:
        registry = self._registry
        if self._namespace in registry.known:
            registry.emitted_to_nobody()
        else:
            registry.emitted_to_unknown(self._namespace)
