"""How the packets of one body reach their session: when there is room, and in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..exceptions import RequestRefused
from ..runtime.interfaces import Runtime
from ..sessions.socket import Socket
from .request import Request, WouldBlock

__all__ = ["PACKETS_PER_TURN", "take_in"]

#: Packets of one body that are taken in before other clients get a turn.
PACKETS_PER_TURN = 250

P = TypeVar("P")


def take_in(
    packets: Sequence[P],
    receive: Callable[[P], object],
    request: Request,
    socket: Socket,
    runtime: Runtime,
    size: int,
) -> None:
    """Give the session the ``packets`` of a body of ``size`` bytes by ``receive``, one at a time.

    Blocks the request's task while there is no room for them; raises ``RequestRefused``, 503, when
    there is none within ``close_timeout``, and ``WouldBlock`` before anything where the request may
    not block.
    """
    if not request.may_block and (len(packets) > PACKETS_PER_TURN or not socket.has_room(size)):
        raise WouldBlock
    if not socket.wait_for_room(socket.config.close_timeout, size):
        raise RequestRefused(
            "503 Service Unavailable",
            "too many events are waiting to be handled",
            code="inbox-full",
            detail="the handlers of this client are slower than it sends; see max_inbox",
        )
    for number, packet in enumerate(packets, 1):
        receive(packet)
        if number % PACKETS_PER_TURN == 0:
            runtime.breathe()
