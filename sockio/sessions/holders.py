"""Who is here by a token of its own: one session each, in this process and in all others.

A session that opens takes the place of those that have come by its token before. Two may open in
two processes at once, and each hears of the other as of one that comes later. So each has a *claim*
that says which is the later one, whoever compares them: the time, and a word of its process where
that is the same. The time is never behind what was heard, whatever the clocks of the hosts say.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from typing import Protocol

__all__ = ["CLAIM", "Holders", "Session"]

_DIGITS = 12
#: Characters of a claim.
CLAIM = _DIGITS + 8


class Session(Protocol):
    """What a client is here by."""

    def close(self, reason: str, *, say: bool = True) -> None: ...


class Holders:
    """Those of one middleware, by their tokens."""

    __slots__ = ("_held", "_latest", "clock", "word")

    def __init__(self) -> None:
        self._held: dict[str, tuple[Session, str]] = {}
        # In milliseconds, of all claims that were made or heard.
        self._latest = 0
        #: Seconds, the same in all processes, more or less.
        self.clock: Callable[[], float] = time.time
        #: This process's.
        self.word = secrets.token_urlsafe(6)

    def __iter__(self) -> Iterator[Session]:
        return iter([session for session, _ in self._held.values()])

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, token: str) -> bool:
        return token in self._held

    def get(self, token: str) -> Session | None:
        held = self._held.get(token)
        return None if held is None else held[0]

    def claim_of(self, token: str) -> str:
        """What the session of that token here has to say to others; "" where there is none."""
        held = self._held.get(token)
        return "" if held is None else held[1]

    def put(self, token: str, session: Session) -> Session | None:
        """A session of that token has opened: the one whose place it takes, if there is one."""
        before = self.get(token)
        self._latest = max(self._latest + 1, int(self.clock() * 1000))
        self._held[token] = session, f"{self._latest:0{_DIGITS}x}{self.word}"
        return before if before is not session else None

    def remove(self, token: str, session: Session) -> None:
        """That session is over."""
        if self.get(token) is session:
            del self._held[token]

    def yields(self, token: str, claim: str) -> bool:
        """Whether a session of that token that has opened elsewhere is later than the one here, or
        there is none here. One without a claim is of an earlier release, and later than all."""
        if len(claim) == CLAIM:
            try:
                self._latest = max(self._latest, int(claim[:_DIGITS], 16))
            except ValueError:
                claim = ""
        return not claim or claim > self.claim_of(token)
