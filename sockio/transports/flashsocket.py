"""flashsocket: a websocket spoken by a Flash object, the same on the wire (fact sheet, section 7).

Flash asks for a policy file before it opens a socket: :mod:`sockio.server.flash_policy`.
"""

from __future__ import annotations

from .websocket import WebSocket

__all__ = ["FlashSocket"]


class FlashSocket(WebSocket):
    """A websocket under its own name."""

    name = "flashsocket"
    # A client that has Flash would try it before anything else it can do, and wait for the policy
    # file in vain: it is offered where somebody has set that up.
    by_default = False
