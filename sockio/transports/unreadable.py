"""What is logged when a websocket is closed because of what its client sent."""

from __future__ import annotations

import logging

from ..sessions.sayings import at_length
from ..sessions.socket import Socket

__all__ = ["TOO_LARGE", "describe", "say_why"]

log = logging.getLogger("sockio.websocket")

#: The close code of a message over ``max_payload`` (RFC 6455, 7.4.1).
TOO_LARGE = 1009

#: By the close code that the client gets: the code in the log, what was sent, and the fix.
_WRONG = {
    1003: (
        "message-binary",
        "a binary message, which protocol 0.9 does not have",
        "use socket.io-client 3.x or 4.x, which can send bytes, or send text",
    ),
    1007: ("message-not-utf-8", "a message that is not UTF-8", "look at the client"),
    TOO_LARGE: (
        "message-too-large",
        "a message of more than {max_payload} bytes",
        "raise max_payload if this is what your clients need to send",
    ),
}
_NO_FRAME = ("bad-frame", "what is no frame of WebSocket", "look at the client, or at a proxy")


def describe(close_code: int, max_payload: int) -> tuple[str, str]:
    """The code in the log for a websocket closed with ``close_code``, and what its client sent with
    the fix, in words."""
    code, what, fix = _WRONG.get(close_code, _NO_FRAME)
    return code, f"{what.format(max_payload=max_payload)} [{code}] ({fix})"


def say_why(socket: Socket, close_code: int) -> None:
    """Log what is wrong with a message of ``socket``. For the event loop too."""
    code, what = describe(close_code, socket.config.max_payload)
    socket.complain(
        log,
        logging.WARNING,
        code,
        "%s: closed (%d): the client sent %s",
        socket,
        close_code,
        at_length(what),
        quiet=True,
    )
