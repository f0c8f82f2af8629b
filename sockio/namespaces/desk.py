"""What the parts of a dispatcher know of the whole."""

from __future__ import annotations

from typing import Protocol

from ..runtime.interfaces import Runtime
from ..sessions.rooms import Rooms
from ..sessions.socket import Socket
from .calls import Calls
from .doorstep import Early
from .inbox import Inbox
from .unconnected import Unconnected

__all__ = ["Desk"]


class Desk(Protocol):
    """One client's socket, and what is done for it: :class:`~.dispatch.Dispatcher`."""

    socket: Socket
    runtime: Runtime
    rooms: Rooms[Socket]
    inbox: Inbox
    calls: Calls
    #: Since when the present handler runs; None between handlers.
    handling: float | None

    @property
    def unconnected(self) -> Unconnected:
        """Made on first use: most clients never send to a namespace that they are not in."""
        ...

    def early_for(self, endpoint: str) -> list[Early]:
        """What has waited for the connect of ``endpoint``, which is there."""
        ...

    def work_soon(self) -> None:
        """Handle what is in the inbox, unless somebody does."""
        ...

    def rest(self) -> None:
        """Everybody has been told: nothing is to be handled any more."""
        ...
