"""Clients without a network: carriers that record what they are given, and what they hang on to.

From the carrier inwards everything is real: socket, outbox, dispatcher, registry, rooms and
namespaces. What a carrier of flesh and blood meets on a wire (a full kernel buffer, a connection
that breaks, an answer that is never read) is an attribute or a method here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from gevent.event import AsyncResult

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.sessions.outbox import Batch, Outgoing
from sockio.sessions.reasons import Reason
from sockio.sessions.registry import SessionRegistry
from sockio.testing import ManualRuntime
from sockio.virtsocket import Socket, State

from .servers import not_ours

__all__ = ["Client", "House", "Poll", "Stream"]


class Stream:
    """A websocket, as the socket sees one."""

    name = "websocket"
    streaming = True
    waits = False

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        #: What reached the client, packet by packet.
        self.packets: list[str] = []
        #: What the socket asked of the carrier besides writing, in order.
        self.story: list[str] = []
        #: The client does not read, and the kernel takes no more.
        self.stuck = False
        #: What the client has taken, as far as the kernel knows.
        self.taken: Callable[[], object] = lambda: None

    def write(self, packet: Outgoing) -> bool:
        if not self.stuck:
            self.packets.append(packet.text)
        return not self.stuck

    def ready(self) -> None:
        while not self.stuck and (packets := self.socket.take(self, 65536)):
            self.packets += [packet.text for packet in packets]
        if "finish" in self.story and not self.stuck:
            self.socket.lost(self, Reason.SERVER)

    def finish(self) -> None:
        self.story.append("finish")
        self.ready()

    def idle(self) -> None:
        self.story.append("idle")

    def replaced(self) -> None:
        self.story.append("replaced")

    def abort(self) -> None:
        self.story.append("abort")

    def pause(self) -> None:
        self.story.append("pause")

    def resume(self) -> None:
        self.story.append("resume")

    # ---- what the other side does

    def brings(self, *texts: str) -> None:
        """The client's packets arrive, in one read."""
        for text in texts:
            self.socket.receive(text)
        self.socket.pause_if_busy()

    def reads_again(self) -> None:
        self.stuck = False
        self.ready()

    def hangs_up(self, reason: str = Reason.TRANSPORT_CLOSE) -> None:
        self.socket.lost(self, reason)


Fate = Literal["read", "write failed", "unread", "being written"]


class Poll:
    """A waiting GET. ``fate`` says what becomes of its answer."""

    name = "xhr-polling"
    streaming = False
    waits = True

    def __init__(self, socket: Socket, fate: Fate = "read") -> None:
        self.socket = socket
        self.fate: Fate = fate
        #: The packets of the answer; None while the poll waits, the noop when there were none.
        self.answer: list[str] | None = None
        self.batch: Batch | None = None
        self._awake = False

    def write(self, packet: Outgoing) -> bool:
        return False

    def ready(self) -> None:
        # As in the real one: the answer is made by the request's own task, a little later.
        if not self._awake:
            self._awake = True
            self.socket.runtime.run(self._respond)

    idle = replaced = finish = abort = ready

    def pause(self) -> None:
        """A poll reads nothing."""

    def resume(self) -> None:
        """A poll reads nothing."""

    def _respond(self) -> None:
        self.batch = batch = self.socket.take_batch(self)
        if batch is None or not batch.packets:
            self.answer = ["8::"]
            return
        self.answer = batch.texts()
        if self.fate == "unread":
            batch.unread = lambda: True
        if self.fate in ("read", "unread"):
            self.socket.written(batch)
        elif self.fate == "write failed":
            self.socket.restore(batch)

    def hangs_up(self) -> None:
        """The client is seen to be gone while the poll waits."""
        self._awake = True
        self.socket.lost(self, "")


class Client:
    """One session and what carries it."""

    def __init__(self, house: House, address: str = "10.0.0.1", token: str | None = None) -> None:
        self.house = house
        self.socket = house.handshake(address, token)
        self.stream = Stream(self.socket)

    def opens(self, *endpoints: str) -> Client:
        """Open a stream, and ask for these namespaces."""
        self.socket.attach(self.stream)
        self.stream.brings(*(f"1::{endpoint}" for endpoint in endpoints))
        return self

    def sends(self, *texts: str) -> list[str]:
        """Send packets over the stream; gives what has come back when nothing moves any more."""
        self.stream.brings(*texts)
        return self.hears()

    def hears(self) -> list[str]:
        """What has come since it was asked last."""
        self.house.runtime.settle()
        heard, self.stream.packets = self.stream.packets, []
        return heard

    def polls(self, fate: Fate = "read") -> Poll:
        """Open a poll, and let everything happen that can."""
        poll = Poll(self.socket, fate)
        self.socket.attach(poll)
        self.house.runtime.settle()
        return poll

    def posts(self, *texts: str) -> None:
        """Bring packets by a request of their own."""
        for text in texts:
            self.socket.receive(text)
        self.house.runtime.settle()

    def hangs_up(self) -> None:
        self.stream.hangs_up()
        self.house.runtime.settle()

    def state(self) -> State:
        return self.socket.state

    def __getitem__(self, endpoint: str) -> Any:
        return self.socket[endpoint]


class House:
    """A middleware with its registry, dispatchers and rooms, on a clock that stands still."""

    def __init__(
        self,
        runtime: ManualRuntime,
        namespaces: Mapping[str, type[BaseNamespace]],
        **settings: Any,
    ) -> None:
        runtime.bind()
        self.runtime = runtime
        self.middleware = SocketIOMiddleware(not_ours, namespaces, runtime=runtime, **settings)
        self.registry: SessionRegistry = self.middleware.registry
        self._doors: list[AsyncResult[Any]] = []

    def handshake(self, address: str = "10.0.0.1", token: str | None = None) -> Socket:
        """A session that is admitted and not opened yet."""
        socket = self.registry.create(address, None, token)
        socket.namespaces = self.middleware.namespaces or {}
        socket.environ = {"socketio": socket, "REMOTE_ADDR": address}
        self.registry.admit(socket)
        return socket

    def client(self, *endpoints: str, token: str | None = None) -> Client:
        """A client with an open stream, connected to these namespaces."""
        client = Client(self, token=token).opens(*endpoints)
        client.hears()
        return client

    def door(self) -> AsyncResult[Any]:
        """Something for a handler to ``wait()`` at, until somebody says ``set()``: at the end of
        the test at the latest. Waiting gives what was set."""
        self._doors.append(AsyncResult())
        return self._doors[-1]

    def is_empty(self) -> bool:
        """Whether nothing is left of any session, in whatever index."""
        registry = self.registry
        return not (len(registry) or registry._ending or registry._crowds or self.rooms_in_use)

    @property
    def rooms_in_use(self) -> int:
        return len(self.registry.rooms._members) + len(self.registry.rooms._rooms)

    def tear_down(self) -> None:
        """End everything, and see that nothing is left of it."""
        self.runtime.settle()
        self.registry.check()
        self.registry.close_all()
        for door in self._doors:
            door.set()
        self.runtime.advance(self.registry.settings.close_timeout + 1)
        self.registry.check()
        assert self.is_empty(), "something outlived its session"
        assert self.runtime.timers == 0, "a timer runs for nobody"
