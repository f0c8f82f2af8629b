"""What a client is told when something it sent could not be handled.

The function here is the default of the setting ``error_handler``; an application's own has the same
parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

__all__ = ["REFUSALS", "OwnWords", "default_error_handler"]


class _Sender(Protocol):
    #: Whether there is an error packet; later generations have none for what is connected.
    has_error_packets: bool

    def send_packet(self, packet: Mapping[str, Any]) -> bool: ...


class OwnWords:
    """A socket that sends without the application's ``json_dumps``, which has failed at this."""

    def __init__(self, socket: Any) -> None:
        self.has_error_packets: bool = socket.has_error_packets
        self.send_packet: Callable[[Mapping[str, Any]], bool] = socket.say


#: Framework errors go out as an error packet, which has no room for text; only what the
#: application itself says through ``error()`` is sent as an ``error`` event.
REFUSALS = frozenset(
    {
        "invalid_packet",
        "unallowed_event_name",
        "method_access_denied",
        "no_such_method",
        "not_connected",
        "invalid_arguments",
        "internal_error",
        "rate_limited",
    }
)


def default_error_handler(
    socket: _Sender,
    error_name: str,
    error_message: str,
    endpoint: str | None,
    msg_id: int | None,
    quiet: bool,
) -> None:
    """Tell the client about an error, unless ``quiet``.

    A waiting callback (``msg_id``) gets an ack with the one argument ``{"error": error_name,
    "message": error_message}``. Without one, a refusal by sockio itself becomes an error packet
    (``7::/chat``, the client's ``error`` listener fires) where there is such a packet, in 0.9; and
    all else an event ``error`` with the arguments ``error_name, error_message``.
    """
    if quiet:
        return
    endpoint = endpoint or ""
    if msg_id is not None:
        args = [{"error": error_name, "message": error_message}]
        socket.send_packet({"type": "ack", "ackId": msg_id, "args": args, "endpoint": endpoint})
    elif error_name in REFUSALS and socket.has_error_packets:
        socket.send_packet({"type": "error", "endpoint": endpoint})
    else:
        event = {"type": "event", "name": "error", "args": [error_name, error_message]}
        socket.send_packet({**event, "endpoint": endpoint})
