"""The words of other programs that publish to Socket.IO servers by way of Redis, as commands.

Pure functions: what came by a channel in, a :data:`~sockio.backplane.commands.Command` out.

============= ======================================================================
redis_emitter ``@socket.io/redis-emitter`` for Node, and what speaks like it
write_only    ``RedisManager(write_only=True)`` of python-socketio and Flask-SocketIO
checks        what both have: rooms, namespaces, events
============= ======================================================================
"""

from __future__ import annotations

__all__: list[str] = []
