"""What stands where the dispatcher of a session was, when that is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol.engine_codec import Bundle
from ..protocol.packet import Opened
from .interfaces import PacketSink

__all__ = ["NOBODY"]


class _Nobody:
    """Handles nothing. A request that waited for room to bring its packets may go on."""

    __slots__ = ()

    full = False
    heard = 0

    def takes_early(self, size: int) -> bool:
        return True

    def open(self) -> None: ...

    def submit(self, text: str | bytes | Bundle) -> None: ...

    def part(self, endpoint: str, text: str | bytes | Bundle) -> None: ...

    def answer(self, opened: Opened) -> None: ...

    def leave(self, namespace: Any, reason: str, *, say: bool) -> None: ...

    def owes_an_ack(self) -> bool:
        return False

    def close(self, reason: str, done: Callable[[], object]) -> None:
        done()


NOBODY: PacketSink = _Nobody()
