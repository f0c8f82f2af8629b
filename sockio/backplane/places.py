"""How many may do something at a time, where thousands want to at once."""

from __future__ import annotations

from collections import deque

from ..runtime.interfaces import Runtime, Signal

__all__ = ["Places"]


class Places:
    """So many of them. Belongs to the thread that the sockets live in."""

    def __init__(self, runtime: Runtime, number: int) -> None:
        self._runtime = runtime
        self._free = number
        self._waiting: deque[Signal] = deque()

    def take(self, seconds: float) -> bool:
        """Block the calling task until it has one, in the order in which they come; false where it
        has none after so long. Who has one gives it back by :meth:`leave`."""
        if self._free:
            self._free -= 1
            return True
        signal = self._runtime.signal()
        self._waiting.append(signal)
        if signal.wait(seconds):
            return True
        try:
            self._waiting.remove(signal)
        except ValueError:
            # It came in the last moment.
            return True
        return False

    def leave(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1
