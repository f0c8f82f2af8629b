"""The other workers that this one listens to: what each of them has, and whether it lives."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator
from typing import Any

from ..redis.library import reader
from ..redis.line import NOTHING
from ..redis.position import MARKS
from .frames import ATTACH, COMMANDS, HEARD, HOLD, LEAVE, LIVE, NUMBER, PING, marks_to
from .participants import Send

__all__ = ["Elsewhere", "Session"]

#: Seconds without a word until one is asked for, and for the answer.
SILENT, PATIENCE = 1.0, 1.5


class Session:
    """What another worker is to this one that listens to it."""

    def __init__(self, number: int, now: float) -> None:
        #: That of its ATTACH. What has another was meant for one before.
        self.number = number
        #: Whether it hears the server.
        self.stands = False
        #: Whether it says what comes.
        self.live = False
        #: The marks that it has.
        self._marks: list[bytes] = []
        #: When it was heard last; and when it was asked for a word that it owes.
        self.heard = now
        self._asked: float | None = None
        self._replies = reader(NOTHING)

    def mark(self, mark: bytes) -> None:
        """It has heard one."""
        self._marks = [*self._marks[1 - MARKS :], mark]

    def has_any(self, marks: Collection[bytes]) -> bool:
        return not set(self._marks).isdisjoint(marks)

    def feed(self, data: bytes, replies: Callable[[Callable[[], Any]], None]) -> None:
        """Let ``replies`` take those in what it says. Raises ``ValueError`` for what are none."""
        self._replies.feed(data)
        replies(self._replies.gets)

    def owes(self, now: float, stood: bool) -> bool | None:
        """Whether it is to be asked for a word; None where it owes one for too long. ``stood`` is
        whether it was this process that stood still."""
        if stood:
            self.heard, self._asked = now, None
        elif self._asked is not None and self.heard >= self._asked:
            self._asked = None
        elif self._asked is not None:
            if now - self._asked >= PATIENCE:
                return None
        elif now - self.heard >= SILENT:
            self._asked = now
            return True
        return False


class Elsewhere:
    """All of them, by their boot ids. Nothing is told anybody by this: who asks decides."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._sessions: dict[str, Session] = {}
        self._attached = itertools.count(1)

    def __contains__(self, boot: str) -> bool:
        return boot in self._sessions

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._sessions))

    def __bool__(self) -> bool:
        return bool(self._sessions)

    def get(self, boot: str) -> Session | None:
        return self._sessions.get(boot)

    def stands(self, boot: str) -> bool:
        """Whether it is listened to, and hears the server."""
        session = self._sessions.get(boot)
        return session is not None and session.stands

    def attach(self, boot: str, commands: list[bytes], now: float) -> bool:
        """Begin to listen, for what these commands want; whether that was possible."""
        number = next(self._attached) % 2**32
        sent = self._send(boot, ATTACH, NUMBER.pack(number))
        for command in commands:
            sent = sent and self._send(boot, COMMANDS, command)
        sent = sent and self._send(boot, HOLD, b"")
        if sent:
            self._sessions[boot] = Session(number, now)
        return sent

    def send(self, command: bytes) -> list[str]:
        """Tell all of them; those that do not read."""
        return [boot for boot in self if not self._send(boot, COMMANDS, command)]

    def go_live(self, boot: str, marks: list[bytes]) -> bool:
        """Have it say what comes, from behind one of these on; whether that was possible. Without
        marks, only what is new."""
        self._sessions[boot].live = True
        return self._send(boot, LIVE, HEARD + marks_to(marks) if marks else b"")

    def hold_but(self, boot: str) -> None:
        """All the others say nothing, but are prepared to."""
        for each, session in list(self._sessions.items()):
            if each != boot and session.live:
                session.live = False
                self._send(each, HOLD, b"")

    def leave(self, boot: str) -> None:
        """Listen no more."""
        self._send(boot, LEAVE, b"")
        self._sessions.pop(boot, None)

    def forget(self, boot: str) -> None:
        """It does not serve this one any more."""
        self._sessions.pop(boot, None)

    def look(self, now: float, stood: bool) -> list[str]:
        """Ask for a sign of life where none came lately; those that have given none."""
        still = []
        for boot, session in list(self._sessions.items()):
            owes = session.owes(now, stood)
            if owes is None:
                still.append(boot)
            elif owes:
                self._send(boot, PING, b"")
        return still
