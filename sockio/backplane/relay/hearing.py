"""By whom a link hears the server: by a connection of this worker, or by another worker's.

Those who take part agree without asking anybody: the two that began first hear the server, as long
as they live; one of them is the relay of each other worker, the other stands by. Who listens has
told both what it wants, and goes over to the other where its relay dies, stands still or does not
hear the server any more. Each decides that for itself, so there is nothing that two could believe
of themselves at once.

Nothing is lost by that, and nothing comes twice: both hear the same, in the same order, among it
marks (:mod:`sockio.backplane.redis.position`), which they publish.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable

from ...exceptions import PacketError
from ...runtime.interfaces import Cancellable, Runtime
from ..redis.library import reader
from ..redis.line import NOTHING, Source, User
from ..redis.outage import Say
from ..redis.position import MARKS, Position
from ..redis.subscriber import Subscriber
from .feed import Feed, Listener
from .frames import (
    ATTACH,
    COMMANDS,
    END,
    FROM,
    GONE,
    HEARD,
    HERE,
    HOLD,
    LEAVE,
    LIVE,
    NUMBER,
    PING,
    PONG,
    REPLIES,
    STANDS,
    TICK,
    marks_from,
    marks_to,
    read_here,
    write_here,
)
from .relays import Relays

__all__ = ["Hearing"]

log = logging.getLogger("sockio.redis")

#: How many hear the server.
RELAYS = 2
#: Seconds until those are known who take part, between two looks, and between two marks.
SETTLED, LOOK, MARK_EVERY = 0.25, 0.5, 1.0
#: Seconds without a word until one is asked for, and for the answer.
SILENT, PATIENCE = 1.0, 1.5
#: Seconds between two questions whether one that was silent is back.
ASKED_EVERY = 2.0
#: Seconds after which a look comes so late that this process stood still.
STOOD = 2.0
#: Seconds until what comes counts as new, where no mark comes that says so.
AGAIN = 5.0
#: The marks of which one has to be known where somebody goes over, if there is the choice.
LATEST = 3
#: Bytes of replies in one frame, where there are many.
FRAME = 60_000
#: Workers that are known to take part.
MOST = 1000


class _Session:
    """What another worker is to this one that listens to it."""

    def __init__(self, number: int, now: float) -> None:
        #: That of its ATTACH. What has another was meant for one before.
        self.number = number
        #: Whether it hears the server; the marks that it has; when it was heard last; and when it
        #: was asked for a word that it owes.
        self.stands = False
        #: Whether it says what comes.
        self.live = False
        self.marks: list[bytes] = []
        self.heard = now
        self.asked: float | None = None
        self.replies = reader(NOTHING)


class Hearing:
    """A :class:`~sockio.backplane.redis.line.Source`. Everything is for the sockets' thread."""

    def __init__(
        self,
        relays: Relays,
        key: bytes,
        runtime: Runtime,
        connect: Callable[[User], Source],
        user: Subscriber,
        position: Position,
        *,
        mark: Callable[[bytes], object],
        say: Say,
        label: str,
    ) -> None:
        """``connect`` makes a connection to the server; ``user`` is who hears it, ``position`` how
        far. ``mark`` publishes a mark."""
        self._relays = relays
        self._key = key
        self._boot = relays.mesh.boot
        self._runtime = runtime
        self._connect = connect
        self._user = user
        self._position = position
        self._publish = mark
        self._say = say
        self._label = label
        self._began = int(runtime.now() * 1e6)
        self._numbers = itertools.count(1)
        # Who takes part, this worker among them: since when. And who of them does not answer.
        self._there: dict[str, int] = {self._boot: self._began}
        self._silent: set[str] = set()
        #: Those that this one listens to, and those that listen to it.
        self._sessions: dict[str, _Session] = {}
        self._listeners: dict[str, Listener] = {}
        self._heads: dict[str, bytes] = {}
        self._attached = itertools.count(1)
        self._feed: Feed | None = None
        #: Who is heard: the boot id of a worker, this one's own for its own connection; and who is
        #: going to be, and has not answered yet.
        self.relay: str | None = None
        self._going: str | None = None
        self._settled = self._closed = False
        # Who was heard last, and why that ended.
        self._before: str | None = None
        self._why = ""
        # Whether the user has been told that it hears something; and whether it ever did.
        self._told: bool | None = None
        self._looked = self._marked = self._moved = self._asked = 0.0
        self._timer: Cancellable | None = None
        self._deciding = self._due = False

    # ---- for the subscriber

    @property
    def is_open(self) -> bool:
        return self._feed is not None or bool(self._sessions)

    def start(self) -> None:
        self._relays.add(self._key, self)
        for boot in list(self._relays.mesh.links):
            self._send(boot, HERE, write_here(self._began, True))
        self._timer = self._runtime.at(self._runtime.now() + SETTLED, self._settle)

    def _settle(self) -> None:
        self._looked = self._runtime.now()
        self._settled = True
        self._look()

    def send(self, command: bytes) -> None:
        for boot in list(self._sessions):
            if not self._send(boot, COMMANDS, command):
                self._forget(boot, "it does not read")
                self._runtime.run(self._decide)
        if self._feed is not None:
            self._feed.command(self._feed.here, command)

    def lose(self, why: str) -> None:
        if self.relay == self._boot:
            if self._feed is not None:
                self._feed.lose(why)
        elif self.relay is not None:
            self._forget(self.relay, why)
            self._decide()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for boot in list(self._relays.mesh.links):
            self._send(boot, GONE)
        self._relays.remove(self._key)
        if self._feed is not None:
            self._feed.close()

    # ---- who takes part

    def joined(self, boot: str) -> None:
        self._send(boot, HERE, write_here(self._began, False))

    def left(self, boot: str) -> None:
        self._there.pop(boot, None)
        self._silent.discard(boot)
        listener = self._listeners.pop(boot, None)
        self._heads.pop(boot, None)
        if listener is not None and self._feed is not None:
            self._feed.drop(listener)
        if boot in self._sessions:
            self._forget(boot, "it is gone")
        self._decide()

    def take(self, boot: str, what: int, payload: bytes) -> None:
        if self._closed:
            return
        self._silent.discard(boot)
        session = self._sessions.get(boot)
        if session is not None:
            session.heard = self._runtime.now()
        if STANDS <= what <= END:
            (number,) = NUMBER.unpack_from(payload)
            if session is not None and session.number == number:
                self._told_by(boot, session, what, payload[NUMBER.size :])
        elif what == HERE:
            began, asks = read_here(payload)
            if asks:
                self._send(boot, HERE, write_here(self._began, False))
            if boot not in self._there and len(self._there) < MOST:
                self._there[boot] = began
                self._decide()
        elif what == GONE:
            self.left(boot)
        elif what != PONG:
            self._serve(boot, what, payload)

    def _hear(self, boot: str, session: _Session, payload: bytes) -> None:
        try:
            session.replies.feed(payload)
            self._user.replies(session.replies.gets)
        except ValueError as error:
            self._forget(boot, f"it says what is no reply: {error}")
            self._decide()
            raise PacketError(f"what is no reply of a server: {error}") from None

    # ---- what those say that this one listens to

    def _told_by(self, boot: str, session: _Session, what: int, payload: bytes) -> None:
        if what == REPLIES:
            if boot == self.relay:
                self._hear(boot, session, payload)
        elif what == TICK:
            session.marks = [*session.marks[1 - MARKS :], payload]
            self._decide()
        elif what == STANDS:
            session.stands = payload == b"\1"
            if not session.stands:
                self._lost(boot, f"worker {boot} does not hear it")
            self._decide()
        elif what == FROM:
            if self._going == boot:
                self._going = None
                self._move(boot, payload or None)
        elif what == END:
            self._forget(boot, "it does not serve this one any more")
            self._decide()

    def _forget(self, boot: str, why: str) -> None:
        self._sessions.pop(boot, None)
        self._lost(boot, f"worker {boot}: {why}")

    def _lost(self, boot: str, why: str) -> None:
        """It cannot be heard any more; it may be the one that was, or is going to be."""
        if boot == self._going:
            self._going = None
        if boot == self.relay:
            self.relay = None
            self._why = why

    # ---- who is to be heard

    def _chosen(self) -> list[str]:
        """Those that hear the server."""
        there = [boot for boot in self._there if boot not in self._silent]
        return sorted(there, key=lambda boot: (self._there[boot], boot))[:RELAYS]

    def _decide(self) -> None:
        if self._deciding or not self._settled or self._closed:
            return
        self._deciding = True
        try:
            chosen = self._chosen()
            own = self._boot in chosen
            if own and self._feed is None:
                self._open()
            # Whoever only begins has nothing to go on with.
            content = own and (self.relay == self._boot or self._told is None)
            for boot in [] if content else chosen:
                if boot != self._boot and boot not in self._sessions:
                    self._attach(boot)
            self._choose(chosen)
            self._tidy([] if content else chosen)
            feed = self._feed
            if (
                feed is not None
                and not (own or feed.others)
                and self._boot not in (self.relay, self._going)
            ):
                self._feed = None
                feed.close()
        finally:
            self._deciding = False
        if self.relay is None and self._going is None and self._told is not False:
            self._tell_lost()

    def _tidy(self, wanted: list[str]) -> None:
        for boot in list(self._sessions):
            if boot not in wanted and boot not in (self.relay, self._going):
                self._send(boot, LEAVE)
                del self._sessions[boot]

    def _choose(self, chosen: list[str]) -> None:
        if self._going is not None:
            return
        order = sorted(chosen, key=lambda boot: boot != self._boot)
        if self._boot not in chosen and self.relay in chosen:
            return
        if self.relay is not None:
            for boot in order:
                if boot == self.relay:
                    return
                if self._stands(boot) and self._fits(boot):
                    self._go(boot)
                    return
            return
        others = [each for each in self._sessions if each not in order]
        standing = [each for each in [*order, *others] if self._stands(each)]
        fitting = [each for each in standing if self._fits(each)]
        if not fitting and self._before != self._boot:
            # A connection that has only just been made knows least.
            standing.sort(key=lambda boot: boot == self._boot)
        for boot in fitting or standing:
            self._go(boot)
            return

    def _stands(self, boot: str) -> bool:
        if boot == self._boot:
            return self._feed is not None and self._feed.stands
        session = self._sessions.get(boot)
        return session is not None and session.stands

    def _fits(self, boot: str) -> bool:
        """Whether it has all that comes behind what was heard."""
        marks = self._position.marks[:LATEST]
        if boot == self._boot:
            return self._feed is not None and any(mark in self._feed for mark in marks)
        return not set(self._sessions[boot].marks).isdisjoint(marks)

    def _attach(self, boot: str) -> None:
        number = next(self._attached) % 2**32
        self._sessions[boot] = _Session(number, self._runtime.now())
        sent = self._send(boot, ATTACH, NUMBER.pack(number))
        for command in self._user.commands():
            sent = sent and self._send(boot, COMMANDS, command)
        sent = sent and self._send(boot, HOLD)
        if not sent:
            # It is asked again when it was heard.
            del self._sessions[boot]
            self._silent.add(boot)

    def _go(self, boot: str) -> None:
        marks = self._position.marks
        feed = self._feed
        if boot != self._boot:
            self._going = boot
            self._sessions[boot].live = True
            # Who has heard no mark has begun a moment ago: what was said before is not for it.
            known = HEARD + marks_to(marks) if marks and self._told is not None else b""
            if not self._send(boot, LIVE, known):
                self._forget(boot, "it does not read")
        elif feed is not None:
            mark, said = feed.go_live(feed.here, marks)
            self._move(boot, mark)
            if said and marks and self._position.again:
                again = reader(NOTHING)
                for data in said:
                    again.feed(data)
                self._user.replies(again.gets)

    def _move(self, boot: str, mark: bytes | None) -> None:
        """Hear that one from now on."""
        self.relay, before, self._before = boot, self._before, boot
        if boot != self._boot and self._feed is not None:
            self._feed.hold(self._feed.here)
        for each, session in list(self._sessions.items()):
            if each != boot and session.live:
                session.live = False
                self._send(each, HOLD)
        # A new connection of one's own says nothing again, nor does who is told no mark.
        if before is not None and self._position.marks and not before == boot == self._boot:
            self._position.go_on(mark)
        self._moved = self._runtime.now()
        new, self._told = self._told is not True, True
        if boot == self._boot:
            what = "this worker hears the server by itself"
        else:
            what = f"worker {boot} hears the server for this one"
        self._say(
            log,
            logging.INFO,
            "redis_relay",
            self._label,
            "%s: %s [backplane-relay]",
            self._label,
            what,
            quiet=True,
        )
        self._runtime.run(self._user.opened if new else self._user.moved)
        self._decide()

    def _tell_lost(self) -> None:
        if self._told is None and not self._why:
            return  # it has not begun
        self._told = False
        self._user.lost(self._why, [])

    # ---- what this one is to others

    def _open(self) -> None:
        feed = self._feed = Feed(
            self._connect,
            self._runtime,
            self._position.channel,
            replies=self._user.replies,
            marked=self._tick,
            changed=self._changed,
            confirmed=self._mark,
            left=self._let_go,
        )
        for command in self._user.commands():
            feed.command(feed.here, command)
        feed.start()

    def _changed(self, why: str) -> None:
        """The own connection is there, or lost."""
        for boot in list(self._listeners):
            self._answer(boot, STANDS, b"\0" if why else b"\1")
        if not why:
            self._decide_now()
            return
        if self._feed is not None:
            self._feed.hold(self._feed.here)
        heard = self.relay == self._boot
        self._lost(self._boot, why)
        if heard and self._settled:
            # If it is the server, the others are about to notice: nobody is asked who still seems
            # to hear it.
            self._settled = False
            self._runtime.at(self._runtime.now() + SETTLED, self._decide_now)
        else:
            self._why = why
            self._decide()
        if self.relay is None and self._going is None:
            self._tell_lost()

    def _decide_now(self) -> None:
        self._settled = self._looked > 0
        self._decide()

    def _serve(self, boot: str, what: int, payload: bytes) -> None:
        if what == PING:
            self._send(boot, PONG)
            return
        if what == ATTACH:
            self._let_in(boot, payload)
            return
        listener, feed = self._listeners.get(boot), self._feed
        if listener is None or feed is None:
            return  # it has been told, or left
        if what == COMMANDS:
            feed.command(listener, payload)
        elif what == LIVE:
            mark, said = feed.go_live(listener, marks_from(payload[1:]))
            listener.prepared = True
            self._answer(boot, FROM, mark or b"")
            if payload:
                self._say_again(boot, listener, said)
            self._mark()
        elif what == HOLD:
            feed.hold(listener)
            listener.prepared = True
        elif what == LEAVE:
            del self._listeners[boot], self._heads[boot]
            feed.drop(listener)
            self._decide()
        else:
            raise PacketError(f"a frame of a relay of an unknown kind: {what}")

    def _let_in(self, boot: str, number: bytes) -> None:
        if len(number) != NUMBER.size:
            raise PacketError("an ATTACH without its number")
        if self._feed is None:
            self._open()
        feed = self._feed
        assert feed is not None
        before = self._listeners.pop(boot, None)
        if before is not None:
            feed.drop(before)

        def send(replies: bytes) -> bool:
            return self._answer(boot, REPLIES, replies)

        self._heads[boot] = number
        listener = self._listeners[boot] = Listener(send)
        feed.add(listener)
        self._answer(boot, STANDS, b"\1" if feed.stands else b"\0")

    def _say_again(self, boot: str, listener: Listener, said: list[bytes]) -> None:
        some: list[bytes] = []
        size = 0
        for data in said:
            some.append(data)
            size += len(data)
            if size >= FRAME or data is said[-1]:
                if not self._answer(boot, REPLIES, b"".join(some)):
                    if self._feed is not None:
                        self._feed.drop(listener)
                    self._let_go(listener)
                    return
                some, size = [], 0

    def _let_go(self, listener: Listener) -> None:
        """It does not read, and is told that when it does."""
        for boot, each in list(self._listeners.items()):
            if each is listener:
                del self._listeners[boot]
                self._answer(boot, END)
                del self._heads[boot]
                self._say(
                    log,
                    logging.WARNING,
                    "redis_relay_full",
                    self._label,
                    "worker %s does not read what comes from other hosts by this one, and has to "
                    "ask again: its event loop is blocked, or has more to do than it can "
                    "[backplane-relay]",
                    boot,
                    quiet=True,
                )

    def _tick(self, mark: bytes) -> None:
        """A mark has come by the own connection."""
        for boot, listener in list(self._listeners.items()):
            if listener.prepared and not listener.live:
                self._answer(boot, TICK, mark)
        if self.relay != self._boot:
            self._runtime.run(self._decide)

    def _mark(self) -> None:
        """Publish one, where somebody may need it; not too many."""
        feed, now = self._feed, self._runtime.now()
        if feed is None or not (feed.others or self.relay != self._boot):
            return
        self._due = now - self._marked < MARK_EVERY / 5
        if not self._due:
            self._marked = now
            self._publish(f"{self._boot}:{next(self._numbers)}".encode())

    # ---- as time goes by

    def _look(self) -> None:
        if self._closed:
            return
        now = self._runtime.now()
        stood, self._looked = now - self._looked > STOOD, now
        for boot, session in list(self._sessions.items()):
            if stood:
                # It was not they who were silent.
                session.heard, session.asked = now, None
            elif session.asked is not None and session.heard >= session.asked:
                session.asked = None
            elif session.asked is not None:
                if now - session.asked >= PATIENCE:
                    self._silent.add(boot)
                    self._send(boot, LEAVE)
                    self._forget(boot, "it stands still")
            elif now - session.heard >= SILENT:
                session.asked = now
                self._send(boot, PING)
        if self._position.again and now - self._moved > AGAIN:
            self._position.end()
        if self._due or now - self._marked >= MARK_EVERY:
            self._mark()
        if now - self._asked >= ASKED_EVERY:
            self._asked = now
            for boot in self._silent:
                self._send(boot, PING)
        self._decide()
        self._timer = self._runtime.at(now + LOOK, self._look)

    def _answer(self, boot: str, what: int, payload: bytes = b"") -> bool:
        return self._send(boot, what, self._heads[boot] + payload)

    def _send(self, boot: str, what: int, payload: bytes = b"") -> bool:
        return self._relays.send(self._key, boot, what, payload)
