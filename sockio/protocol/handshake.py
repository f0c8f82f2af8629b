"""The handshake line: what a new client is told before its first connection.

::

    SID:HEARTBEAT_TIMEOUT:CLOSE_TIMEOUT:TRANSPORT,TRANSPORT...

Times are in seconds. The heartbeat field is the *timeout*: how long the client waits for the next
sign of life, not how often the server sends one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..exceptions import PacketError, UsageError

__all__ = ["Handshake", "decode_handshake", "encode_handshake"]

# The client gives these to setTimeout() in milliseconds. That takes 31 bits, more fires at once.
_LONGEST_TIMEOUT = 2_147_483
_SHORTEST_TIMEOUT = 0.001
_MAX_DIGITS = 16
_MAX_ECHO = 40  # characters of a bad line that an error message repeats


class Handshake(NamedTuple):
    """A handshake line taken apart; times in seconds, 0.0 where the server left the field empty."""

    sid: str
    heartbeat_timeout: float
    close_timeout: float
    transports: tuple[str, ...]


def encode_handshake(
    sid: str, heartbeat_timeout: float, close_timeout: float, transports: Iterable[str]
) -> str:
    """The line for a new session, such as ``Zq3...:60:60:websocket,xhr-polling``.

    The client tries those transports that it knows too, in this order. Both timeouts are numbers of
    seconds from 0.001 to 2147483, written to the millisecond. The protocol has an empty field for
    "no timeout", but client 0.9.17 takes it for zero milliseconds and does not get connected, so it
    is never written. What would not fit the line raises :class:`~sockio.exceptions.UsageError`.
    """
    if not _is_sid(sid):  # whatever it is, it may be a secret: the message does not repeat it
        raise UsageError("a session id has to be a str, not empty, without any of : / ? ,")
    names = [transports] if isinstance(transports, str) else list(transports)
    if not names or any(not name or ":" in name or "," in name for name in names):
        raise UsageError(
            f"transports is a list of names without colons or commas, at least one: {transports!r}"
        )
    heartbeat = _seconds("heartbeat_timeout", heartbeat_timeout)
    close = _seconds("close_timeout", close_timeout)
    return f"{sid}:{heartbeat}:{close}:{','.join(names)}"


def decode_handshake(line: str) -> Handshake:
    """What a handshake line says, for clients.

    Raises :class:`~sockio.exceptions.PacketError` for anything but four fields with a session id in
    the first and nothing or a decimal number in the next two.
    """
    fields = line.split(":")
    if len(fields) != 4:  # the last field tells a refusal from a line cut short, and is no secret
        last = fields[-1][:_MAX_ECHO]
        raise PacketError(f"a handshake line has 4 fields, not {len(fields)} up to {last!a}")
    if not _is_sid(fields[0]):
        raise PacketError("a handshake line starts with a session id, this one does not")
    sid, heartbeat, close, transports = fields
    names = tuple(name for name in transports.split(",") if name)
    return Handshake(sid, _timeout(heartbeat), _timeout(close), names)


def _is_sid(sid: object) -> bool:
    # It is one field of the line and one segment of the path of every later URL.
    return isinstance(sid, str) and sid != "" and not any(mark in sid for mark in ":/?,")


def _seconds(name: str, value: object) -> str:
    if not isinstance(value, (int, float)) or not _SHORTEST_TIMEOUT <= value <= _LONGEST_TIMEOUT:
        raise UsageError(
            f"{name} must be a number of seconds from {_SHORTEST_TIMEOUT} to {_LONGEST_TIMEOUT}, "
            f"not {value!r}; to go almost without one, make it large"
        )
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _timeout(field: str) -> float:
    if not field:
        return 0.0
    digits = field.replace(".", "", 1)
    if len(digits) > _MAX_DIGITS or not (digits.isascii() and digits.isdigit()):
        raise PacketError(f"not a timeout in seconds: {field[:_MAX_ECHO]!a}")
    return float(field)
