"""Channels that each belong to one node of a cluster (Redis 7): who publishes there goes to that
node, and so does who is subscribed. None passes anything on to the others.

A channel moves when its slot does: the old node says ``MOVED`` to what is asked of it, and ends the
subscriptions to it. Then the nodes are asked anew who has what (:mod:`.shards`). What was published
at the wrong node is lost, and counted; nothing is sent twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ...runtime.interfaces import Runtime
from .address import Address
from .line import Line, Source, Uncounted, User
from .numbering import begin_command
from .publisher import Publisher, Sender
from .subscriber import Channel, Subscriber, Told, Words, after
from .topology import SLOTS, Place, Topology, slot_of

__all__ = ["ClusterPublisher", "ClusterSubscriber", "Watch"]

#: What nodes say that do not have the slot, or have it and may not act.
_ELSEWHERE = ("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN")
#: Channels whose sender is remembered.
ROUTES = 50_000
#: Any node will do: before Redis 7.
_ANY: Place = ("any node", 0)
_ANYWHERE: list[Place | None] = [_ANY] * SLOTS
_MARK = b"sockio:behind"
_PING_MARK = Uncounted(b"*2\r\n$4\r\nPING\r\n$%d\r\n%b\r\n" % (len(_MARK), _MARK))


class Watch(NamedTuple):
    """Who is told how connections stand, each by a name."""

    expect: Callable[[str], object]
    there: Callable[[str], object]
    lost: Callable[[str, str], object]
    #: Something was not where it was thought to be.
    look_again: Callable[[], object]


def _named(what: str, place: Place) -> str:
    return f"{what} at {place[0]}:{place[1]}" if place is not _ANY else f"{what} to any node"


# ---- who publishes


class ClusterPublisher(Publisher):
    """Each channel by the connection to its node. There is one to each that has slots: else what
    never waits for a connection could not be said."""

    verb = b"SPUBLISH"

    def __init__(
        self,
        address: Address,
        runtime: Runtime,
        publisher: bytes,
        *,
        watch: Watch,
        dropped: Callable[[int], object],
        refused: Callable[[str], object],
    ) -> None:
        super().__init__(runtime, publisher, dropped=dropped, refused=refused)
        self._address = address
        self._watch = watch
        self._places: list[Place | None] = [None] * SLOTS
        self._senders: dict[Place, Sender] = {}
        self._routes: dict[str, Sender] = {}
        #: What is for nodes that nobody knows.
        self._nowhere = self._sender(None)

    def _sender(self, place: Place | None) -> Sender:
        watch = self._watch
        if place is None:
            where, name = None, ""
        else:
            where = self._address if place is _ANY else self._address.at(place)
            name = _named("publish", place)
            watch.expect(name)

        def lost(why: str) -> None:
            watch.lost(name, why)
            watch.look_again()

        return Sender(
            where,
            self._runtime,
            opened=lambda: watch.there(name),
            lost=lost,
            dropped=self._dropped,
            refused=self._not_published,
        )

    def _not_published(self, reply: str) -> None:
        if reply.startswith(_ELSEWHERE):
            self._dropped(1)
            self._watch.look_again()
        else:
            self._refused(reply)

    def _sender_of(self, channel: str) -> Sender:
        sender = self._routes.get(channel)
        if sender is None:
            place = self._places[slot_of(channel.encode("utf-8", "surrogatepass"))]
            if place is None:
                if self._senders:
                    # Somebody may have it by now.
                    self._watch.look_again()
                return self._nowhere
            sender = self._senders[place]
            if len(self._routes) >= ROUTES:
                self._routes.clear()
            self._routes[channel] = sender
        return sender

    def changed(self, topology: Topology) -> None:
        """Which node has which slots, from now on. Does not block."""
        places = topology.places if topology.shards else _ANYWHERE
        if places != self._places:
            self._move(places)
        self._watch.there("publish")

    def _move(self, places: list[Place | None]) -> None:
        self._places = places
        self._routes.clear()
        # In the order in which they came.
        early = self._nowhere.take_early()
        if places is _ANYWHERE:
            before, self.verb = begin_command(self.verb), b"PUBLISH"
            for numbering in (self._numbering, self._of_many):
                numbering.speak(self.verb)
            begin = begin_command(self.verb)
            early = [
                (since, channel, begin + command.removeprefix(before))
                for since, channel, command in early
            ]
        masters = dict.fromkeys(places)
        for place in masters:
            if place is not None and place not in self._senders:
                sender = self._senders[place] = self._sender(place)
                if sender.line is not None:
                    sender.line.start()
        for place, sender in [*self._senders.items()]:
            if not sender.is_open:
                early += sender.take_early()
            if place not in masters:
                del self._senders[place]
                if sender.line is not None:
                    sender.line.close()
                self._watch.there(_named("publish", place))
        for each in early:
            self._sender_of(each[1]).put_early(each)

    def counted(self, most: int) -> dict[str, tuple[int, int]]:
        # A sign of life goes by another node than what it tells of: only of what has certainly been
        # there before.
        return {
            channel: last
            for channel, last in super().counted(most).items()
            if self._places is _ANYWHERE or self._sender_of(channel).all_answered
        }

    @property
    def waiting(self) -> int:
        return sum(each.waiting for each in (self._nowhere, *self._senders.values()))

    def start(self) -> None:
        """Nothing yet."""

    def close(self, patience: float) -> None:
        lines = [each.line for each in self._senders.values() if each.line is not None]
        for line in lines:
            line.close(patience / len(lines))


# ---- who is subscribed


class _Shard(Subscriber):
    """What is wanted of one node."""

    SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBED, MESSAGE = (
        b"SSUBSCRIBE",
        b"SUNSUBSCRIBE",
        b"ssubscribe",
        b"smessage",
    )

    def __init__(self, *args: Any, look_again: Callable[[], object], **options: Any) -> None:
        self._look_again = look_again
        # Whether something of what was wanted is not here, or was not.
        self._adrift = False
        # What others have said of their numbers: behind which sign of life, and since then.
        self._before: list[tuple[str, Mapping[str, tuple[int, int]]]] = []
        self._next: list[tuple[str, Mapping[str, tuple[int, int]]]] = []
        super().__init__(*args, **options)

    def _send(self, verb: bytes, names: list[bytes]) -> None:
        # Those of one command are of one slot.
        by_slot: dict[int, list[bytes]] = {}
        for name in names:
            by_slot.setdefault(slot_of(name), []).append(name)
        for some in by_slot.values():
            super()._send(verb, some)

    def opened(self) -> None:
        self._adrift = False
        self._before, self._next = [], []
        super().opened()

    def settle(self) -> None:
        """Where channels are is known now: ask again for those that were said to be elsewhere, and
        are here."""
        if self._adrift and self.line.is_open:
            self._adrift = False
            unready = [channel for channel in self._channels.values() if not channel.ready]
            for channel in unready:
                self._pending.pop((self.SUBSCRIBED, channel.raw), None)
            self._ask(unready)
            self._look()

    def _refused(self, why: str) -> bool:
        if not why.startswith(_ELSEWHERE):
            return super()._refused(why)
        self._drift()
        return False

    def _drift(self) -> None:
        self._adrift = True
        self._look_again()

    def _other(self, kind: Any, name: Any) -> None:
        if kind != b"sunsubscribe":
            super()._other(kind, name)
            return
        channel = self._channels.get(name)
        if channel is not None and (self.SUBSCRIBED, name) not in self._pending:
            # Nobody has asked for that: its slot is another node's.
            channel.ready = False
            self._drift()

    # ---- numbers that were said by way of another node

    def reached(self, name: str, numbers: Mapping[str, tuple[int, int]]) -> None:
        """What has not come when this node has answered once more does not come any more."""
        if self.line.is_open:
            self._next.append((name, numbers))
            if not self._before:
                self._mark()

    def _mark(self) -> None:
        self._before, self._next = self._next, []
        if self._before:
            self.line.send(_PING_MARK)

    def _pong(self, reply: object) -> None:
        if reply in (_MARK, [b"pong", _MARK]):
            for name, numbers in self._before:
                super().reached(name, numbers)
            self._mark()


class _Nowhere:
    """Nothing comes from there."""

    is_open = False

    def start(self) -> None:
        pass

    def send(self, command: bytes) -> None:
        pass

    def lose(self, why: str) -> None:
        pass

    def close(self) -> None:
        pass


class ClusterSubscriber:
    """The same as a :class:`~.subscriber.Subscriber`, with a connection for each node that has
    some of the channels. What is overheard is passed on by all: there any node will do."""

    def __init__(
        self,
        address: Address,
        runtime: Runtime,
        publisher: bytes,
        told: Told,
        *,
        watch: Watch,
    ) -> None:
        self._address = address
        self._runtime = runtime
        self._publisher = publisher
        self._watch = watch
        self._told = told
        self._places: list[Place | None] = [None] * SLOTS
        self._shards: dict[Place, Subscriber] = {}
        #: Channels of nodes that nobody knows.
        self._nowhere = self._make(_Shard, "", lambda user: _Nowhere(), look_again=lambda: None)
        self._overhearing: Subscriber | None = None
        self._begun = False
        # Of nodes that are not used any more.
        self._received = self._missing = 0

    def _make(
        self,
        kind: Callable[..., Subscriber],
        name: str,
        source: Callable[[User], Source],
        **options: Any,
    ) -> Subscriber:
        watch = self._watch

        def lost(why: str) -> None:
            watch.lost(name, why)
            watch.look_again()

        return kind(
            source,
            self._runtime,
            self._publisher,
            self._told,
            ready=lambda: watch.there(name),
            lost=lost,
            **options,
        )

    def _at(self, place: Place | None) -> Subscriber:
        if place is None:
            return self._nowhere
        shard = self._shards.get(place)
        if shard is None:
            name = _named("subscribe", place)
            self._watch.expect(name)
            address = self._address
            where = address if place is _ANY else address.at(place)

            def source(user: User) -> Line:
                return Line(where, self._runtime, user)

            if place is _ANY:
                shard = self._make(Subscriber, name, source)
            else:
                shard = self._make(_Shard, name, source, look_again=self._watch.look_again)
            self._shards[place] = shard
            shard.line.start()
        return shard

    def _split(self, names: Iterable[str]) -> dict[Place | None, list[str]]:
        by_place: dict[Place | None, list[str]] = {}
        for name in names:
            place = self._places[slot_of(name.encode("utf-8", "surrogatepass"))]
            by_place.setdefault(place, []).append(name)
        return by_place

    @property
    def _all(self) -> list[Subscriber]:
        more = [] if self._overhearing is None else [self._overhearing]
        return [self._nowhere, *self._shards.values(), *more]

    # ---- as of one

    @property
    def channels(self) -> int:
        return sum(each.channels for each in self._all)

    @property
    def received(self) -> int:
        return self._received + sum(each.received for each in self._all)

    @property
    def missing(self) -> int:
        return self._missing + sum(each.missing for each in self._all)

    def subscribe(
        self,
        names: Iterable[str],
        then: Callable[[], object] | None,
        words: Words | None = None,
        *,
        many: bool = False,
    ) -> None:
        by_place = self._split(names)
        one = None if then is None else after(len(by_place), then)
        for place, some in by_place.items():
            self._at(place).subscribe(some, one, words, many=many)

    def unsubscribe(self, names: Iterable[str]) -> None:
        for place, some in self._split(names).items():
            shard = self._nowhere if place is None else self._shards.get(place)
            if shard is not None:
                shard.unsubscribe(some)

    def overhear(self, pattern: str, fn: Callable[[str, bytes], object] | None) -> None:
        if self._overhearing is None:
            name = "subscribe to patterns"
            if self._begun:
                self._watch.expect(name)
            self._overhearing = self._make(
                Subscriber, name, lambda user: Line(self._address, self._runtime, user)
            )
            if self._begun:
                self._overhearing.line.start()
        self._overhearing.overhear(pattern, fn)

    def reached(self, name: str, numbers: Mapping[str, tuple[int, int]]) -> None:
        for place, some in self._split(numbers).items():
            # Others publish at nodes that have nothing for this process.
            shard = None if place is None else self._shards.get(place)
            if shard is not None:
                shard.reached(name, {each: numbers[each] for each in some})

    def start(self) -> None:
        self._begun = True
        if self._overhearing is not None:
            self._watch.expect("subscribe to patterns")
            self._overhearing.line.start()

    def close(self) -> None:
        for each in self._all:
            each.line.close()

    # ---- where they are

    def changed(self, topology: Topology) -> bool:
        """Which node has which slots, from now on; whether that is new. Does not block."""
        places = topology.places if topology.shards else _ANYWHERE
        new = places != self._places
        if new:
            self._move(places)
        for shard in self._shards.values():
            if isinstance(shard, _Shard):
                shard.settle()
        if self._nowhere.channels:
            self._watch.lost("subscribe", "no node of the cluster has the slots of some channels")
            self._watch.look_again()
        else:
            self._watch.there("subscribe")
        return new

    def _move(self, places: list[Place | None]) -> None:
        self._places = places
        moving: dict[Place | None, list[Channel]] = {}
        before: list[tuple[Place | None, Subscriber]] = [(None, self._nowhere)]
        for place, shard in [*before, *self._shards.items()]:
            gone = []
            for channel in shard.wanted():
                target = places[slot_of(channel.raw)]
                if target != place:
                    gone.append(channel)
                    moving.setdefault(target, []).append(channel)
            shard.release(gone)
        for target, channels in moving.items():
            if target is not None:
                self._watch.expect(_named("subscribe", target))
            self._at(target).adopt(channels)
        masters = set(places)
        for place, shard in [*self._shards.items()]:
            if place not in masters:
                del self._shards[place]
                shard.line.close()
                self._received += shard.received
                self._missing += shard.missing
                self._watch.there(_named("subscribe", place))
