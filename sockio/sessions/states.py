"""Where a session is in its life, and what it waits for.

What moves between the states of a 0.9 client::

    NEW            made, the application is being asked
     │ admit
    CONNECTING     handshake answered, no transport yet          UNOPENED alarm
     │ open        (first carrier)
    CONNECTED      carrier: poll       POLL alarm (poll duration)
     │                      stream     BEAT (send a heartbeat), then PULSE (its answer is due)
     │                      none       AWAY alarm (close timeout)
     │ close
    DISCONNECTING  namespaces are told, the last packets wait    LINGER alarm
     │ end
    DISCONNECTED   in no index

``close`` leads straight from NEW and CONNECTING to DISCONNECTED: there is nobody to tell.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

__all__ = ["MOVES", "Alarm", "State"]


class State(enum.Enum):
    """Where a socket is in its life. The table is in the module's docstring."""

    NEW = "new"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTING = "disconnecting"
    DISCONNECTED = "disconnected"

    # Of each there is one object; an enum's own is a function in Python.
    __hash__ = object.__hash__


#: From a state, by an event, to a state.
MOVES: Mapping[tuple[State, str], State] = {
    (State.NEW, "admit"): State.CONNECTING,
    (State.NEW, "close"): State.DISCONNECTED,
    (State.CONNECTING, "open"): State.CONNECTED,
    (State.CONNECTING, "close"): State.DISCONNECTED,
    (State.CONNECTED, "close"): State.DISCONNECTING,
    (State.DISCONNECTING, "end"): State.DISCONNECTED,
}


class Alarm(enum.Enum):
    """What a socket's deadline is about. A socket has at most one at a time."""

    UNOPENED = enum.auto()
    AWAY = enum.auto()
    POLL = enum.auto()
    BEAT = enum.auto()
    PULSE = enum.auto()
    LINGER = enum.auto()
