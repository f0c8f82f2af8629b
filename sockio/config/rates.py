"""Rate limits: so many events in so many seconds, and what becomes of one more.

A limit is a bucket of tokens: ``5/10s`` lets five events through at once, and after that one every
two seconds. A bucket is one number, the time at which it will be full again: there is no timer, and
a client has as many of them as there are limits, whatever it sends.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

__all__ = ["POLICIES", "Buckets", "Rate"]

#: What can become of an event above its limit: it is answered with an error, it is dropped without
#: a word to the client, or it ends the session.
POLICIES = ("refuse", "drop", "close")

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_FORM = re.compile(r"(\d{1,9}) */ *(\d{0,9}(?:\.\d{1,9})?) *([smh])(?: +(\w+))?", re.ASCII)
#: Seconds by which a sum of fractions may be wrong.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Rate:
    """``count`` events in ``seconds``."""

    count: int
    seconds: float
    policy: str = "refuse"

    @classmethod
    def parse(cls, text: str, policy: str | None = None) -> Rate:
        """The rate that ``"5/10s"`` stands for, ``"100/s"``, ``"60/m"``, ``"1000/h"`` or, with a
        policy in it, ``"5/10s drop"``; the policy may stand beside it, too, and is "refuse" where
        nothing says it. Raises ``ValueError`` for anything else, and for two policies."""
        match = _FORM.fullmatch(str(text).strip())
        if match is None:
            raise ValueError(f"a rate is written '5/10s' (five in ten seconds), not {text!r}")
        count = int(match[1])
        seconds = float(match[2] or 1) * _UNITS[match[3]]
        own = match[4]
        if own and policy is not None and own != policy:
            rate = str(text).strip().removesuffix(own).strip()
            raise ValueError(
                f"a rate has one policy, and this has two: write {rate!r} with {policy!r}, or "
                f"{f'{rate} {own}'!r} alone"
            )
        policy = own or (policy if policy is not None else "refuse")
        if count < 1 or seconds <= 0:
            raise ValueError(f"a rate has a number of events and a time, not {text!r}")
        if policy not in POLICIES:
            raise ValueError(f"the policy of a rate is one of {', '.join(POLICIES)}: {policy!r}")
        return cls(count, seconds, policy)

    def __str__(self) -> str:
        return f"{self.count} in {self.seconds:g} s"


class Buckets:
    """The buckets of one client, by name. A name stands for the same rates always."""

    __slots__ = ("_full_at",)

    def __init__(self) -> None:
        self._full_at: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, name: Hashable, rates: Iterable[Rate], now: float) -> Rate | None:
        """Take a token for each of ``rates``; None, or the rate that has none left: then nothing
        is taken."""
        full_at = self._full_at
        after = []
        for number, rate in enumerate(rates):
            interval = rate.seconds / rate.count
            due = max(full_at.get((name, number), now), now)
            if due - now > rate.seconds - interval + _ROUNDING:
                return rate
            after.append(due + interval)
        for number, due in enumerate(after):
            full_at[name, number] = due
        return None
