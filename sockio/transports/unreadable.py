"""What is logged when a websocket is closed because of what its client sent."""

from __future__ import annotations

import logging

from ..virtsocket import Socket

__all__ = ["TOO_LARGE", "say_why"]

log = logging.getLogger("sockio.websocket")

#: The close code of a message over ``max_payload`` (RFC 6455, 7.4.1).
TOO_LARGE = 1009

#: By the close code that the client gets: the code in the log, what was sent, and the fix.
_WRONG = {
    1003: (
        "message-binary",
        "a binary message, which protocol 0.9 does not have",
        "use socket.io-client 0.9.17, and send text",
    ),
    1007: ("message-not-utf-8", "a message that is not UTF-8", "look at the client"),
    TOO_LARGE: (
        "message-too-large",
        "a message of more than {max_payload} bytes",
        "raise max_payload if this is what your clients need to send",
    ),
}
_NO_FRAME = ("bad-frame", "what is no frame of WebSocket", "look at the client, or at a proxy")


def say_why(socket: Socket, close_code: int) -> None:
    """Log, with the fix, what is wrong with a message of ``socket``. For the event loop too."""
    code, what, fix = _WRONG.get(close_code, _NO_FRAME)
    socket.complain(
        log,
        logging.WARNING,
        code,
        "%s: closed (%d): the client sent %s [%s] (%s)",
        socket,
        close_code,
        what.format(max_payload=socket.config.max_payload),
        code,
        fix,
        quiet=True,
    )
