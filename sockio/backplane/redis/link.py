"""The link of this process to those on other hosts, by way of a Redis server."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ...exceptions import UsageError
from ...runtime.interfaces import Runtime
from .address import Address
from .frames import publisher_bytes
from .line import Line, Source, User
from .outage import Drops, Outage, Say
from .position import Position
from .publisher import Publisher, SinglePublisher
from .sharded import ClusterPublisher, ClusterSubscriber, Watch
from .shards import Shards
from .sharing import Relay, Shared, Sharing
from .subscriber import Fault, Subscriber, Told, Words
from .topology import Topology

__all__ = ["LinkNumbers", "RedisLink"]

log = logging.getLogger("sockio.redis")

_PUBLISH, _SUBSCRIBE = "publish", "subscribe"


class LinkNumbers(NamedTuple):
    """What happened so far, and how it stands."""

    published: int  #: accepted, and not dropped later as far as it is known
    dropped: int
    received: int  #: on channels that were subscribed: own ones and faulty ones as well
    missing: int  #: of others, which did not arrive
    outages: int
    waiting: int  #: bytes to be written
    channels: int  #: subscribed, patterns among them


class RedisLink:
    """Carries payloads between the processes that use one server, at most once each.

    Those of one publisher arrive in order; what is lost is counted, and told when the next of its
    publisher on the same channel arrives, or a word with its numbers (:meth:`counted`). Nothing is
    sent twice, and nothing waits for the server: :meth:`publish` does local work only. Made anew by
    itself whenever it is lost.

    Everything is for the thread that the sockets live in. The callbacks are called in the hub and
    must not block; what they raise is logged.
    """

    def __init__(
        self,
        url: str,
        runtime: Runtime,
        *,
        on_message: Callable[[str, bytes], object],
        on_gap: Callable[[str, int], object],
        say: Say,
        on_state: Callable[[bool], object] | None = None,
        name: str | None = None,
        relay: tuple[str, Relay] | None = None,
    ) -> None:
        """``url`` is described in :mod:`~sockio.backplane.redis.address`. ``on_message`` gets a
        channel and a payload of others, ``on_gap`` a publisher and how many of its publications are
        missing, ``on_state`` whether the link stands, whenever that changes. ``say`` is
        ``Complaints.say``. ``name`` is this publisher's, 1 to 16 letters, digits, ``_`` or ``-``,
        and belongs to no other process, nor to an earlier life of this one. ``relay`` is for what
        does not hear the server by a connection of its own alone: the channel where marks are
        published (:mod:`~sockio.backplane.redis.position`), and what makes the source. A cluster
        whose channels belong to nodes has none.

        Raises ``UsageError`` for what is wrong with the URL or the name, and where the packages are
        missing.
        """
        #: This publisher's name, which others see with gaps.
        self.name = secrets.token_urlsafe(9) if name is None else name
        try:
            own = publisher_bytes(self.name)
        except ValueError as error:
            raise UsageError(str(error)) from None
        address = Address(url)
        self._say = say
        #: What the log calls the server: without password.
        self.label = address.label
        self._closed = False
        # Of a cluster: whether its nodes are known, and are of before Redis 7.
        self._known = self._plain = False
        self._drops = Drops(runtime, say, address.label)
        self._outage = Outage(runtime, say, address.label, self._drops, self._changed)
        self._on_state = on_state
        self._publisher: Publisher
        self._subscriber: Subscriber | ClusterSubscriber
        #: Of a cluster: which node has which channels.
        self._shards: Shards | None = None
        self._shared: Shared | None = None
        told = Told(on_message, on_gap, self._faulty, self._failed)
        if address.sharded:
            self._begin_sharded(address, runtime, own, told)
            return
        self._publisher = SinglePublisher(
            address,
            runtime,
            own,
            opened=lambda: self._outage.there(_PUBLISH),
            lost=lambda why: self._outage.lost(_PUBLISH, why),
            dropped=self._dropped,
            refused=self._refused,
        )
        position = None if relay is None else Position(relay[0])

        def connect(user: User) -> Line:
            return Line(address, runtime, user)

        def source(subscriber: Subscriber) -> Source:
            if relay is None or position is None:
                return connect(subscriber)

            def mark(payload: bytes) -> None:
                self.word(position.channel, payload)

            given = Sharing(connect, subscriber, position, mark, say, address.label)
            self._shared = relay[1](given)
            return self._shared

        self._subscriber = Subscriber(
            source,
            runtime,
            own,
            told,
            ready=lambda: self._outage.there(_SUBSCRIBE),
            lost=lambda why: self._outage.lost(_SUBSCRIBE, why),
            position=position,
        )
        if position is not None:
            known = position
            self.listen(known.channel, lambda _, payload: known.mark(payload))

    def _begin_sharded(self, address: Address, runtime: Runtime, own: bytes, told: Told) -> None:
        self._shards = shards = Shards(
            address, runtime, changed=self._moved, failed=self._nobody_answers
        )
        outage = self._outage
        watch = Watch(outage.expect, outage.there, outage.lost, shards.look_again)
        self._publisher = ClusterPublisher(
            address, runtime, own, watch=watch, dropped=self._dropped, refused=self._refused
        )
        self._subscriber = ClusterSubscriber(address, runtime, own, told, watch=watch)

    def start(self) -> None:
        """Connect, soon. What is published before that waits."""
        self._outage.begin({_PUBLISH, _SUBSCRIBE})
        self._publisher.start()
        self._subscriber.start()
        if self._shards is not None:
            self._shards.start()

    def publish(self, channel: str, payload: bytes, *, many: bool = False) -> bool:
        """Queue a payload; whether that was possible: else it is dropped, and counted.

        Those of one turn leave in one write. While there is no connection they wait for two
        seconds, and then are dropped. ``many`` says of a channel that there may be any number of
        its kind: its numbers are none of those of :meth:`counted`. Raises ``UsageError`` for more
        than 1 MB, which would have the server cut every subscriber.
        """
        if self._closed:
            return False
        return self._publisher.publish(channel, payload, many)

    def subscribe(
        self, *channels: str, then: Callable[[], object] | None = None, many: bool = False
    ) -> None:
        """Want what others publish there. ``then`` is called once the server has confirmed all of
        them, at once where it has already; not where one is unsubscribed before. With ``many``, as
        for :meth:`publish`, publishers are followed on a bounded number of them: what is lost on
        others is not counted."""
        if not self._closed:
            self._subscriber.subscribe(channels, then, many=many)

    def word(self, channel: str, payload: bytes) -> bool:
        """Queue a payload that is not counted, for a channel of words; whether that was possible:
        it never waits for a connection. Raises ``UsageError`` for more than 1 MB."""
        return not self._closed and self._publisher.word(channel, payload)

    def listen(self, channel: str, words: Words) -> None:
        """Want the words that are published there: ``words`` is called in the hub with the
        publisher's name and the payload, of our own ones as well, which shows that what is
        published arrives. Nothing else may be published there."""
        if not self._closed:
            self._subscriber.subscribe((channel,), None, words)

    def counted(self, most: int) -> dict[str, tuple[int, int]]:
        """How far this publisher has counted, by channel: for a word that says so behind all else.
        Where there are more than ``most``, the next ones each time."""
        return self._publisher.counted(most)

    def reached(self, publisher: str, numbers: Mapping[str, tuple[int, int]]) -> None:
        """A word of another has said so: of what has not come by now ``on_gap`` is told."""
        self._subscriber.reached(publisher, numbers)

    def unsubscribe(self, *channels: str) -> None:
        """Nothing of these is delivered from now on."""
        if not self._closed:
            self._subscriber.unsubscribe(channels)

    def overhear(self, pattern: str, fn: Callable[[str, bytes], object]) -> None:
        """Have ``fn`` called in the hub with the channel and the payload of what other programs
        publish: without frames, and so neither counted nor left out when it is our own.

        A pattern of Redis (``*``, ``?``, ``[...]``, and a backslash before what is to be none).
        What matches several is told several times; what has more than 1 MB is dropped with a line.
        """
        if not self._closed:
            self._subscriber.overhear(pattern, fn)

    def leave_alone(self, pattern: str) -> None:
        """Nothing that matches is told from now on."""
        if not self._closed:
            self._subscriber.overhear(pattern, None)

    def close(self, patience: float = 0.0) -> None:
        """Send what the kernel takes at once, and hang up for good. With ``patience`` the server
        gets so many seconds to read it, for which it blocks: for the end of a process."""
        self._closed = True
        self._drops.close()
        if self._shards is not None:
            self._shards.close()
        self._publisher.close(patience)
        self._subscriber.close()

    @property
    def deaf(self) -> float | None:
        """Since when, on the runtime's clock, either connection is missing or channels are not
        confirmed; None while the link stands."""
        return self._outage.since

    @property
    def relay(self) -> str:
        """The boot id of the worker whose connection to the server this one hears, which may be its
        own; empty where that is not shared, or nobody is heard."""
        return (self._shared and self._shared.relay) or ""

    @property
    def numbers(self) -> LinkNumbers:
        publisher, subscriber = self._publisher, self._subscriber
        return LinkNumbers(
            publisher.published,
            self._drops.total,
            subscriber.received,
            subscriber.missing,
            self._outage.count,
            publisher.waiting,
            subscriber.channels,
        )

    # ---- what is said

    def _changed(self, stands: bool) -> None:
        if self._on_state is not None and not self._closed:
            try:
                self._on_state(stands)
            except Exception as error:
                self._failed("its state", error)

    def _moved(self, topology: Topology) -> bool:
        """Which node of the cluster has which slots, from now on; whether that is new."""
        if not topology.shards and not self._plain:
            self._plain = True
            self._say(
                log,
                logging.WARNING,
                "redis_plain",
                self.label,
                "%s: it knows no channels that belong to one node, as Redis does since 7.0: what "
                "is published is copied to all nodes",
                self.label,
                quiet=True,
            )
        assert isinstance(self._publisher, ClusterPublisher)
        assert isinstance(self._subscriber, ClusterSubscriber)
        self._known = True
        self._publisher.changed(topology)
        return self._subscriber.changed(topology)

    def _nobody_answers(self, why: str) -> None:
        if not self._known:
            self._outage.lost(_SUBSCRIBE, why)

    def _dropped(self, number: int) -> None:
        why = "there is no connection" if self._outage.since is not None else "the queue is full"
        self._drops.add(number, why=why)

    def _refused(self, reply: str) -> None:
        self._say(
            log,
            logging.ERROR,
            "redis_refused",
            self.label,
            "%s: the server refuses to publish: %s",
            self.label,
            reply,
            quiet=True,
        )

    def _faulty(self, channel: str, fault: Fault) -> None:
        self._say(
            log,
            logging.WARNING,
            f"redis_{fault.code}",
            self.label,
            "%s: a publication on the channel %r was dropped: %s",
            self.label,
            channel,
            fault.text,
            quiet=True,
        )

    def _failed(self, channel: str, error: Exception) -> None:
        self._say(
            log,
            logging.ERROR,
            "redis_handler",
            self.label,
            "%s: what came by %s could not be handled",
            self.label,
            channel,
            exc_info=error,
            quiet=True,
        )
