"""The workers of a host that take part, and who of them are to hear the server for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .frames import GONE, HERE, PING, read_here, write_here

__all__ = ["Participants", "Send"]

#: How many hear the server.
RELAYS = 2
#: Workers that are known to take part.
MOST = 1000
#: Seconds between two questions whether one that was silent is back.
ASKED_EVERY = 2.0

#: Sends a worker a frame: what it is, and a payload; whether that was possible.
Send = Callable[[str, int, bytes], bool]


class Participants:
    """As this worker, ``boot``, knows them: itself since the microsecond ``began``."""

    def __init__(self, boot: str, began: int, send: Send) -> None:
        self._began = began
        self._send = send
        # Since when each takes part. And who does not answer.
        self._there: dict[str, int] = {boot: began}
        self._silent: set[str] = set()
        self._asked = 0.0

    # ---- this one

    def begin(self, boots: Iterable[str]) -> None:
        """Tell those that this one takes part, and ask since when they do."""
        for boot in boots:
            self._send(boot, HERE, write_here(self._began, True))

    def end(self, boots: Iterable[str]) -> None:
        for boot in boots:
            self._send(boot, GONE, b"")

    def greet(self, boot: str) -> None:
        """It has come, and is told of this one."""
        self._send(boot, HERE, write_here(self._began, False))

    # ---- the others

    def here(self, boot: str, payload: bytes) -> bool:
        """It takes part; whether that was not known. Raises ``struct.error`` for what is none."""
        began, asks = read_here(payload)
        if asks:
            self.greet(boot)
        new = boot not in self._there and len(self._there) < MOST
        if new:
            self._there[boot] = began
        return new

    def gone(self, boot: str) -> None:
        self._there.pop(boot, None)
        self._silent.discard(boot)

    def heard(self, boot: str) -> None:
        """It is not silent."""
        self._silent.discard(boot)

    def silent(self, boot: str) -> None:
        """It does not answer, or does not read: nobody hears by it until it was heard."""
        self._silent.add(boot)

    def ask_silent(self, now: float) -> None:
        """Ask whether they are back, if it is time."""
        if now - self._asked >= ASKED_EVERY:
            self._asked = now
            for boot in self._silent:
                self._send(boot, PING, b"")

    def chosen(self) -> list[str]:
        """Those that hear the server: the first ones that are not silent."""
        there = [boot for boot in self._there if boot not in self._silent]
        return sorted(there, key=lambda boot: (self._there[boot], boot))[:RELAYS]
