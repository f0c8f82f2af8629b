"""What a handler returns that does not answer by returning."""

from __future__ import annotations

from typing import Final

__all__ = ["LATER"]


class _Later:
    """Returned by a handler, it leaves the client's ack unsent.

    ``self.ack(packet, ...)`` sends it, from a task or a callback, whenever it likes; or nobody
    does. A client that waits with a time limit (``socket.timeout(...)``, ``retries``) takes the
    event for not handled then, and may repeat it.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "LATER"


LATER: Final = _Later()
