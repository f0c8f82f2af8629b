"""Why a session, or a client's stay in a namespace, ended."""

from __future__ import annotations

__all__ = ["Reason"]


class Reason:
    """The words that ``recv_disconnect(self, reason)`` gets, and that the log shows."""

    #: The client said goodbye.
    CLIENT = "client disconnect"
    #: ``disconnect()`` was called on the server.
    SERVER = "server disconnect"
    #: The client left one namespace; the session may go on.
    NAMESPACE_CLIENT = "client namespace disconnect"
    #: ``disconnect()`` was called on one namespace.
    NAMESPACE_SERVER = "server namespace disconnect"
    #: The connection of a websocket or stream was closed by the peer.
    TRANSPORT_CLOSE = "transport close"
    #: ... or broke, or the peer broke the protocol below Socket.IO.
    TRANSPORT_ERROR = "transport error"
    #: No answer to a heartbeat within ``heartbeat_timeout``.
    HEARTBEAT_TIMEOUT = "heartbeat timeout"
    #: The same of clients since 1.0: no ``ping``, or no answer to one, in time.
    PING_TIMEOUT = "ping timeout"
    #: What came was no packet of Engine.IO.
    PARSE_ERROR = "parse error"
    #: What came was no packet of Socket.IO, or none that may come then; clients since 1.0.
    FORCED_CLOSE = "forced close"
    #: No request of a polling client within ``close_timeout``.
    CLOSE_TIMEOUT = "close timeout"
    #: The client made a handshake and nothing else.
    UNOPENED = "never opened"
    #: ``recv_connect`` of the global namespace refused.
    REFUSED = "connection refused"
    #: More waited for the client than ``max_outbox`` allows.
    OVERFLOW = "outbox overflow"
    #: It sent faster than a limit with the policy ``close`` allows.
    RATE_LIMIT = "rate limit"
    #: There were too many sessions, and nobody used this one.
    EVICTED = "too many sessions"
    #: The server ends.
    SHUTDOWN = "server shutting down"

    #: When one of these ends it, what the client had sent before is still handled; whom the server
    #: throws out is not heard any more.
    FROM_THE_CLIENT = frozenset(
        {
            CLIENT,
            NAMESPACE_CLIENT,
            TRANSPORT_CLOSE,
            TRANSPORT_ERROR,
            PARSE_ERROR,
            FORCED_CLOSE,
            HEARTBEAT_TIMEOUT,
            PING_TIMEOUT,
            CLOSE_TIMEOUT,
        }
    )
