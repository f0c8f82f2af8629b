"""The first packet of an Engine.IO session: what a new client is told.

::

    0{"sid":"...","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,
      "maxPayload":1000000}

Exactly these five keys, in both revisions (clients of revision 3 overlook ``maxPayload``); times
are in milliseconds on the wire and in seconds here. ``upgrades`` is empty where the session is
opened over a websocket already.

Facts: Engine.IO protocol, revisions 3 and 4; engine.io 6.6.11, ``lib/socket.ts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..exceptions import PacketError, UsageError
from .json_depth import check_depth
from .strict_json import dumps, loads

__all__ = ["EngineHandshake", "decode_engine_handshake", "encode_engine_handshake"]

# Clients give the sum of both times to setTimeout(). That takes 31 bits, more fires at once.
_LONGEST = 1_000_000
_SHORTEST = 0.001


class EngineHandshake(NamedTuple):
    """The data of an open packet; times in seconds, ``max_payload`` in bytes."""

    sid: str
    upgrades: tuple[str, ...]
    ping_interval: float
    ping_timeout: float
    #: 0 where the server did not say.
    max_payload: int


def encode_engine_handshake(
    sid: str,
    upgrades: Sequence[str],
    ping_interval: float,
    ping_timeout: float,
    max_payload: int,
) -> str:
    """The open packet of a new session, type included.

    Times are numbers of seconds from 0.001 to 1000000, written to the millisecond; ``max_payload``
    is a positive number of bytes. Anything else raises :class:`~sockio.exceptions.UsageError`.
    """
    if not _is_name(sid):  # it is a secret: the message does not repeat it
        raise UsageError("a session id has to be a str that is not empty")
    if isinstance(upgrades, str) or not all(map(_is_name, upgrades)):
        raise UsageError(f"upgrades is a list of names of transports; got {upgrades!r}")
    if type(max_payload) is not int or max_payload <= 0:
        raise UsageError(f"max_payload must be a positive number of bytes; got {max_payload!r}")
    return "0" + dumps(
        {
            "sid": sid,
            "upgrades": list(upgrades),
            "pingInterval": _milliseconds("ping_interval", ping_interval),
            "pingTimeout": _milliseconds("ping_timeout", ping_timeout),
            "maxPayload": max_payload,
        }
    )


def decode_engine_handshake(packet: str) -> EngineHandshake:
    """What an open packet says, for clients. Further keys are overlooked, ``maxPayload`` (which
    servers of revision 3 leave out) is 0 without one.

    Raises :class:`~sockio.exceptions.PacketError` for anything else. Its message does not repeat
    the packet, which holds a secret.
    """
    if packet[:1] != "0":
        raise PacketError("an Engine.IO session starts with an open packet, of type 0")
    try:
        check_depth(packet)
        data: Any = loads(packet[1:])
        sid, upgrades = data["sid"], data["upgrades"]
        times = data["pingInterval"], data["pingTimeout"]
        largest = data.get("maxPayload", 0)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PacketError("an open packet is a JSON object with the keys of a session") from None
    if (
        not _is_name(sid)
        or not isinstance(upgrades, list)
        or not all(map(_is_name, upgrades))
        or not all(type(time) is int and 0 < time <= 1000 * _LONGEST for time in times)
        or type(largest) is not int
        or largest < 0
    ):
        raise PacketError("an open packet has values that are none")
    return EngineHandshake(sid, tuple(upgrades), times[0] / 1000, times[1] / 1000, largest)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _milliseconds(name: str, value: object) -> int:
    if not isinstance(value, (int, float)) or not _SHORTEST <= value <= _LONGEST:
        raise UsageError(
            f"{name} must be a number of seconds from {_SHORTEST} to {_LONGEST}, not {value!r}; "
            "to go almost without one, make it large"
        )
    return round(value * 1000)
