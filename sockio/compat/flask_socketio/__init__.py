"""Flask-SocketIO's names, over sockio.

::

    from sockio.compat.flask_socketio import SocketIO, emit, join_room

    socketio = SocketIO(app)

    @socketio.on("message")
    def handle_message(text):
        emit("message", text, broadcast=True)

What differs is listed in ``docs/migration-flask-socketio.md``. New programs use
:class:`sockio.integrations.flask.SocketIO`, or namespaces alone.

Facts: Flask-SocketIO 5.7.0, ``flask_socketio/__init__.py``, ``namespace.py``, ``test_client.py``.
"""

from __future__ import annotations

from .extension import SocketIO
from .functions import call, close_room, disconnect, emit, join_room, leave_room, rooms, send
from .handling import ConnectionRefusedError
from .namespace import Namespace
from .test_client import SocketIOTestClient

__all__ = [
    "ConnectionRefusedError",
    "Namespace",
    "SocketIO",
    "SocketIOTestClient",
    "call",
    "close_room",
    "disconnect",
    "emit",
    "join_room",
    "leave_room",
    "rooms",
    "send",
]
