"""Signals as something that a selector waits for."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterable

__all__ = ["Signals"]


class Signals:
    """The signals that arrived, in their order; one number of several that are pending may stand
    for all. To be made in the main thread, which they interrupt in nothing."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._ours, theirs = socket.socketpair()
        for each in (self._ours, theirs):
            each.setblocking(False)
        self._theirs = theirs
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            # Python writes its number; what is ignored would not be.
            signal.signal(number, lambda *_: None)

    def fileno(self) -> int:
        """Readable when there is one."""
        return self._ours.fileno()

    def take(self) -> list[int]:
        """All that have arrived. Does not block."""
        try:
            return list(self._ours.recv(4096))
        except BlockingIOError:
            return []
