"""Every error that sockio raises, as one tree.

::

    SockioError
    ├── PacketError          a peer sent text that is no packet           (also a ValueError)
    ├── RequestRefused       a request under the resource is answered with an error status
    ├── ConnectionRefused    raised by *your* code to refuse a client or a namespace
    ├── EventRefused         an event cannot be handled; becomes an error ack
    │   └── RateLimited      ... because its client sends faster than a limit allows
    ├── AckFailed            ``call()`` got no answer
    │   ├── AckTimeout       ... within its timeout                       (also a TimeoutError)
    │   └── Disconnected     ... because the client went away
    ├── WebSocketClosed      sent to a raw websocket that is closed       (also a ConnectionError)
    └── UsageError           sockio was called in a way that cannot work; the message says the fix
        ├── NotInstalled     ``socketio_manage()`` outside the middleware
        └── SettingsError    a setting with a wrong name or value         (also a ValueError)

A bad *peer* raises :class:`PacketError` or :class:`RequestRefused` and never reaches your code; a
mistake of *ours or yours* raises :class:`UsageError`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = [
    "AckFailed",
    "AckTimeout",
    "ConnectionRefused",
    "Disconnected",
    "EventRefused",
    "NotInstalled",
    "PacketError",
    "RateLimited",
    "RequestRefused",
    "SettingsError",
    "SockioError",
    "UsageError",
    "WebSocketClosed",
]


class SockioError(Exception):
    """The root of the tree: catch this to catch everything that sockio raises."""


class PacketError(SockioError, ValueError):
    """A peer sent something that is not a packet, or not a payload.

    ``endpoint`` and ``ack_id`` are set when they could still be read, so that the answer can go to
    the right namespace and to the waiting callback; ``ack_id`` only when the sender asked for a
    data ack.
    """

    def __init__(self, message: str, *, endpoint: str = "", ack_id: int | None = None) -> None:
        super().__init__(message)
        self.endpoint = endpoint
        self.ack_id = ack_id


class RequestRefused(SockioError):
    """A request is answered with ``status`` (an HTTP status line) and the plain-text ``body``.

    ``code`` is the short name of the reason, for the log and for the header ``X-Sockio-Refusal``
    (``docs/refusals.md`` explains each). ``close`` asks for the connection to be closed after the
    answer, because the rest of the request was not read. ``detail`` is for the log: what to do
    about it. ``headers`` go with the answer. ``told`` is what the application itself says, to a
    client that hears it.
    """

    #: Whether it happens to clients that do nothing wrong, and is no news to anybody.
    expected = False

    def __init__(
        self,
        status: str,
        body: str,
        *,
        code: str,
        detail: str = "",
        close: bool = False,
        headers: Iterable[tuple[str, str]] = (),
        told: str = "",
    ) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.code = code
        self.detail = detail
        self.close = close
        self.headers = tuple(headers)
        self.told = told


class ConnectionRefused(SockioError):
    """Raise it in ``recv_connect`` to refuse a namespace, or in ``authorize`` to refuse a client.

    The optional text goes to the log, and to clients since 1.0 with ``data`` (any JSON value), as
    their ``connect_error`` (2.x: ``error``); protocol 0.9 has no room for either on the wire.
    """

    def __init__(self, message: str = "", data: Any = None) -> None:
        super().__init__(message)
        self.data = data


class EventRefused(SockioError):
    """An event cannot be handled: ``code`` and ``message`` become the error ack.

    Raise it in a handler to answer a waiting callback with ``{"error": code, "message": message}``;
    unlike any other exception it is not logged as a failure of the handler. ``detail`` goes to the
    log only.
    """

    def __init__(self, code: str, message: str, *, detail: str = "") -> None:
        super().__init__(f"{code}: {message}" + (f" ({detail})" if detail else ""))
        self.code = code
        self.message = message
        self.detail = detail


class RateLimited(EventRefused):
    """A client sends faster than a limit allows (``@limit``, or the setting ``rate_limit``).

    ``policy`` is what becomes of the event: ``refuse``, ``drop`` or ``close``.
    """

    def __init__(self, rate: str, policy: str, *, detail: str = "") -> None:
        super().__init__("rate_limited", f"Too fast: at most {rate}.", detail=detail)
        self.policy = policy


class AckFailed(SockioError):
    """A ``call()`` ended without the client's answer."""


class AckTimeout(AckFailed, TimeoutError):
    """The client did not acknowledge in time."""


class Disconnected(AckFailed):
    """The client went away before it acknowledged."""


class WebSocketClosed(SockioError, ConnectionError):
    """Sent to a websocket of the application's own that is closed. A view may let it pass: its
    visitor has left."""


class UsageError(SockioError):
    """sockio was used in a way that cannot work. The message says what to change."""


class NotInstalled(UsageError):
    """``socketio_manage()`` was called where no middleware had put a socket into the environ."""


class SettingsError(UsageError, ValueError):
    """A setting with an unknown name, or with a value that cannot work."""
