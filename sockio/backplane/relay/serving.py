"""What a worker is to others that it hears the server for: who they are, and what each is told."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Collection

from ...exceptions import PacketError
from ...runtime.interfaces import Runtime
from ..redis.library import reader
from ..redis.line import NOTHING
from ..redis.sharing import Sharing
from .feed import Feed, Listener
from .frames import (
    ATTACH,
    COMMANDS,
    END,
    FROM,
    HOLD,
    LEAVE,
    LIVE,
    NUMBER,
    REPLIES,
    STANDS,
    TICK,
    marks_from,
)
from .participants import Send

__all__ = ["Serving"]

log = logging.getLogger("sockio.redis")

#: Seconds between two marks.
MARK_EVERY = 1.0
#: Bytes of replies in one frame, where there are many.
FRAME = 60_000


class Serving:
    """That of ``boot``, for others and for itself. The connection is there while one of them wants
    it. ``changed`` is told that the server is heard by it, or why not any more; ``decide`` is
    called when somebody has left, or this worker may hear by it again; ``elsewhere`` says whether
    it hears by another one."""

    def __init__(
        self,
        boot: str,
        given: Sharing,
        runtime: Runtime,
        send: Send,
        *,
        changed: Callable[[str], None],
        decide: Callable[[], object],
        elsewhere: Callable[[], bool],
    ) -> None:
        self._boot = boot
        self._given = given
        self._runtime = runtime
        self._send = send
        self._on_changed = changed
        self._decide = decide
        self._elsewhere = elsewhere
        self._feed: Feed | None = None
        # Those that listen, and what each is told begins with.
        self._listeners: dict[str, Listener] = {}
        self._heads: dict[str, bytes] = {}
        self._numbers = itertools.count(1)
        self._marked = 0.0
        self._due = False

    # ---- the connection

    @property
    def is_open(self) -> bool:
        """Whether there is one, or it is being made."""
        return self._feed is not None

    @property
    def stands(self) -> bool:
        return self._feed is not None and self._feed.stands

    @property
    def has_others(self) -> bool:
        return self._feed is not None and bool(self._feed.others)

    def open(self) -> None:
        user = self._given.user
        feed = self._feed = Feed(
            self._given.connect,
            self._runtime,
            self._given.position.channel,
            replies=user.replies,
            marked=self._tick,
            changed=self._changed,
            confirmed=self.mark,
            left=self._let_go,
        )
        for command in user.commands():
            feed.command(feed.here, command)
        feed.start()

    def lose(self, why: str) -> None:
        if self._feed is not None:
            self._feed.lose(why)

    def close(self) -> None:
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.close()

    def _changed(self, why: str) -> None:
        """The connection is there, or lost."""
        for boot in list(self._listeners):
            self._answer(boot, STANDS, b"\0" if why else b"\1")
        if why:
            self.hold()
        self._on_changed(why)

    # ---- for this worker

    def command(self, command: bytes) -> None:
        """Do what it tells the server."""
        if self._feed is not None:
            self._feed.command(self._feed.here, command)

    def hold(self) -> None:
        """Say it nothing."""
        if self._feed is not None:
            self._feed.hold(self._feed.here)

    def has_any(self, marks: Collection[bytes]) -> bool:
        return self._feed is not None and any(mark in self._feed for mark in marks)

    def go_live(self, marks: list[bytes]) -> tuple[bytes | None, Callable[[], None]]:
        """Say it what comes from now on; the mark behind which that is complete, and what says
        before that what came since."""
        assert self._feed is not None
        mark, said = self._feed.go_live(self._feed.here, marks)

        def say_again() -> None:
            again = reader(NOTHING)
            for data in said:
                again.feed(data)
            self._given.user.replies(again.gets)

        return mark, say_again

    # ---- for others

    def take(self, boot: str, what: int, payload: bytes) -> None:
        """What one says that listens. Raises ``PacketError`` for what makes no sense."""
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
            self.mark()
        elif what == HOLD:
            feed.hold(listener)
            listener.prepared = True
        elif what == LEAVE:
            self.left(boot)
            self._decide()
        else:
            raise PacketError(f"a frame of a relay of an unknown kind: {what}")

    def _let_in(self, boot: str, number: bytes) -> None:
        if len(number) != NUMBER.size:
            raise PacketError("an ATTACH without its number")
        if self._feed is None:
            self.open()
        self.left(boot)
        feed = self._feed
        assert feed is not None

        def send(replies: bytes) -> bool:
            return self._answer(boot, REPLIES, replies)

        self._heads[boot] = number
        listener = self._listeners[boot] = Listener(send)
        feed.add(listener)
        self._answer(boot, STANDS, b"\1" if feed.stands else b"\0")

    def left(self, boot: str) -> None:
        """It does not listen any more, if it did."""
        listener = self._listeners.pop(boot, None)
        self._heads.pop(boot, None)
        if listener is not None and self._feed is not None:
            self._feed.drop(listener)

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
                self._given.say(
                    log,
                    logging.WARNING,
                    "redis_relay_full",
                    self._given.label,
                    "worker %s does not read what comes from other hosts by this one, and has to "
                    "ask again: its event loop is blocked, or has more to do than it can "
                    "[backplane-relay]",
                    boot,
                    quiet=True,
                )

    def _answer(self, boot: str, what: int, payload: bytes = b"") -> bool:
        return self._send(boot, what, self._heads[boot] + payload)

    # ---- marks

    def _tick(self, mark: bytes) -> None:
        """One has come by the connection."""
        for boot, listener in list(self._listeners.items()):
            if listener.prepared and not listener.live:
                self._answer(boot, TICK, mark)
        if self._elsewhere():
            self._runtime.run(self._decide)

    def mark(self) -> None:
        """Publish one, where somebody may need it; not too many."""
        now = self._runtime.now()
        if not (self._feed is not None and (self._feed.others or self._elsewhere())):
            return
        self._due = now - self._marked < MARK_EVERY / 5
        if not self._due:
            self._marked = now
            self._given.mark(f"{self._boot}:{next(self._numbers)}".encode())

    def look(self) -> None:
        """Publish one where it is time."""
        if self._due or self._runtime.now() - self._marked >= MARK_EVERY:
            self.mark()
