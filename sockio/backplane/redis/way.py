"""The processes of other hosts, as a way to their clients: what is said goes by a Redis server.

What they are asked, and who of them is alive, has channels of its own (:mod:`.nodes`).

Each namespace has a channel, ``sockio:GROUP:NAMESPACE``, that a process is subscribed to whose
settings name it, or one of whose clients is in it; with the setting ``backplane_rooms``, what is
for one room goes by a channel of that (:mod:`.rooms`). What is published there begins with eight
characters that say of which host it is, by the directory of its mesh: those of that host have it
already.

What the applications say to each other (``server_side_emit``) has a channel of its own, that every
process is subscribed to: ``sockio:GROUP:server-side``. No namespace is called that, since it would
begin with a slash.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from ...exceptions import PacketError
from ...protocol.engine_codec import EngineCodec
from ...runtime.interfaces import Cancellable, Runtime
from ...sessions.complaints import Complaints
from ...sessions.sayings import at_length
from ..channels import HOST, among, channel_of, room_channel
from ..commands import Command, CommandError, ServerEvent
from ..interop import redis_emitter, write_only
from ..questions import Asked, Question, Questions, pack_values, unpack_values
from .address import Address
from .link import RedisLink
from .nodes import Nodes
from .rooms import RoomChannels
from .sharing import Relay

__all__ = ["INPUTS", "RedisWay"]

log = logging.getLogger("sockio.redis")

#: The kind of what is for functions of the applications, beside those of emissions and orders.
SERVER_SIDE = 5
#: Seconds for the server to take what waits to be written when the process ends, and as many for it
#: to read that.
LAST = 0.5
#: Other programs whose publications are understood: what their channels begin with.
INPUTS = {"redis-emitter": redis_emitter.KEY, "python-socketio": write_only.CHANNEL}


class RedisWay:
    """That of one middleware. ``take(kind, data)`` gets what comes from other hosts, and raises
    ``PacketError`` for what makes no sense; ``obey(command)`` what other programs ask for, and
    what is for the application's functions. ``codec`` packs the arguments of those."""

    leads_anywhere = True

    def __init__(
        self,
        url: str,
        runtime: Runtime,
        complaints: Complaints,
        group: str,
        host: str,
        codec: EngineCodec,
        *,
        take: Callable[[int, bytes], object],
        obey: Callable[[Command], object],
        on_gap: Callable[[str, int], object] | None,
        inputs: Iterable[str] = (),
        lingers: float = 0,
        by_room: bool = False,
        relay: Relay | None = None,
    ) -> None:
        """``lingers`` are the seconds for which a namespace is heard still when the last client has
        left it: one may come back, and gets what was said meanwhile (setting ``recovery``).
        ``relay`` is for who does not hear the server by himself (setting ``backplane_relay``)."""
        self._runtime = runtime
        self._lingers = lingers
        # Namespaces that nobody is in, and the end of that.
        self._lingering: dict[str, Cancellable] = {}
        # Those that are heard.
        self._heard: dict[str, None] = {}
        self._complaints = complaints
        # Of channels alone.
        group = self._group = among(group, Address(url).database)
        self._host = host.encode()
        self._codec = codec
        self._take = take
        self._obey = obey
        self._on_gap = on_gap
        self._inputs = frozenset(inputs)
        self._prefix = channel_of(group, "")
        self._server_side = channel_of(group, "server-side")
        #: Those that stay, whoever comes and goes.
        self._fixed: set[str] = set()
        self.link = RedisLink(
            url,
            runtime,
            on_message=self._message,
            on_gap=self._gap,
            say=complaints.say,
            on_state=self._stands,
            relay=None if relay is None else (channel_of(group, f"relay:{host}"), relay),
        )
        #: The channels of rooms, where those have some.
        self.rooms = RoomChannels(self.link, runtime, group, lingers) if by_room else None
        #: Called whenever the server is heard, from then on.
        self.on_stands: Callable[[], object] = lambda: None
        self._nodes = Nodes(self.link, runtime, complaints, group, host, by_room=by_room)
        self._pid = os.getpid()
        if "python-socketio" in self._inputs:
            self.link.overhear(INPUTS["python-socketio"], self._overheard)

    def start(self, namespaces: Iterable[str]) -> None:
        """Connect, for these namespaces whoever is in them."""
        self.link.subscribe(self._server_side)
        for namespace in namespaces:
            self.watch(namespace, True)
            self._fixed.add(namespace)
        self._nodes.start()
        self.link.start()

    def close(self) -> None:
        """Say goodbye to the other hosts, and hang up for good. For the end of the process: blocks
        until the server has read all, for a second at most if it does not."""
        if os.getpid() == self._pid:
            self._nodes.close()
            self.link.close(LAST)

    @property
    def questions(self) -> Questions:
        """Those to the processes of other hosts, and theirs."""
        return self._nodes.questions

    def watch(self, namespace: str, begins: bool) -> None:
        """The first client has come into a namespace, or the last has left it."""
        if namespace in self._fixed:
            return
        ending = self._lingering.pop(namespace, None)
        if ending is not None:
            ending.cancel()
            return
        if not begins and self._lingers:

            def end() -> None:
                del self._lingering[namespace]
                self._listen(namespace, False)

            self._lingering[namespace] = self._runtime.at(self._runtime.now() + self._lingers, end)
            return
        self._listen(namespace, begins)

    def _listen(self, namespace: str, begins: bool) -> None:
        channel = self._prefix + namespace
        if begins:
            self._heard[namespace] = None
        else:
            self._heard.pop(namespace, None)
        patterns = redis_emitter.patterns([namespace]) if "redis-emitter" in self._inputs else ()
        if begins:
            self.link.subscribe(channel)
            for pattern in patterns:
                self.link.overhear(pattern, self._overheard)
        else:
            self.link.unsubscribe(channel)
            for pattern in patterns:
                self.link.leave_alone(pattern)

    # ---- for who goes from worker to worker

    @property
    def heard(self) -> list[str]:
        return list(self._heard)

    def hear(self, namespaces: Iterable[str], then: Callable[[], object]) -> None:
        channels = []
        for namespace in namespaces:
            if namespace not in self._heard:
                self._listen(namespace, True)
                self.watch(namespace, False)
            channels.append(self._prefix + namespace)
        if self.link.deaf is None:
            self.link.subscribe(*channels, then=then)
        else:
            # As long as that lasts nobody is heard.
            then()

    def echo(self, then: Callable[[], object]) -> bool:
        return self._nodes.echo(then)

    def is_of_one(self, name: str) -> bool:
        return not name.startswith(self._host.decode())

    # ---- to other hosts

    @property
    def by_room(self) -> bool:
        """Whether rooms have channels, which all processes know of."""
        return self.rooms is not None and not self._nodes.without

    def send(self, kind: int, namespace: str, data: bytes, room: Hashable | None = None) -> None:
        payload = b"%b%c%b" % (self._host, kind, data)
        if room is None:
            self.link.publish(self._prefix + namespace, payload)
        else:
            channel = room_channel(self._group, namespace, room)
            self.link.publish(channel, payload, many=True)

    def ask(self, group: str, question: Question) -> Asked | None:
        return self.questions.ask(group, question) if self._nodes.names() else None

    def notify(self, group: str, event: str, args: list[Any]) -> None:
        data = pack_values(self._codec, [event, args])
        self.link.publish(self._server_side, b"%b%c%b" % (self._host, SERVER_SIDE, data))

    # ---- from other hosts

    def _stands(self, stands: bool) -> None:
        self._nodes.stands(stands)
        if stands:
            self.on_stands()

    def _message(self, channel: str, payload: bytes) -> None:
        if payload[:HOST] == self._host:
            return
        try:
            if channel == self._server_side:
                self._obey(self._event_of(payload[HOST:]))
            else:
                self._take(payload[HOST] if len(payload) > HOST else 0, payload[HOST + 1 :])
        except PacketError as error:
            self._refuse(channel, "backplane-garbage", error)

    def _event_of(self, data: bytes) -> ServerEvent:
        values = unpack_values(self._codec, data[1:]) if data[:1] == bytes([SERVER_SIDE]) else []
        if list(map(type, values)) != [str, list]:
            raise PacketError("no event between servers")
        return ServerEvent("", (values[0], *values[1]))

    def _overheard(self, channel: str, payload: bytes) -> None:
        try:
            if channel == INPUTS["python-socketio"]:
                command = write_only.read(payload)
            else:
                command = redis_emitter.read(channel, payload)
            if command is not None:
                self._obey(command)
        except CommandError as error:
            self._refuse(channel, f"backplane-{error.kind}", error)

    def _refuse(self, channel: str, kind: str, error: PacketError) -> None:
        self._complaints.say(
            log,
            logging.WARNING,
            kind,
            "",
            "what came by the channel %s of the backplane was dropped: %s [%s]",
            channel,
            at_length(str(error)),
            kind,
            quiet=True,
        )

    def _gap(self, publisher: str, missing: int) -> None:
        if self._nodes.is_sibling(publisher):
            return  # it came by the mesh
        self._complaints.say(
            log,
            logging.WARNING,
            "backplane-gap",
            "",
            "%d emissions of the process %s did not arrive here: clients of this process have "
            "missed them [backplane-gap]",
            missing,
            publisher,
            quiet=True,
        )
        if self._on_gap is not None:
            self._on_gap(publisher, missing)
