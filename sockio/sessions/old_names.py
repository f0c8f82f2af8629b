"""What gevent-socketio called what a socket has and does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..protocol.dialect import BaseCodec
from .states import State

__all__ = ["OldNames"]


class OldNames:
    """The ancestor's names, for :class:`~sockio.virtsocket.Socket`."""

    __slots__ = ()

    if TYPE_CHECKING:
        active_ns: dict[str, Any]
        codec: BaseCodec

        def disconnect(self, silent: bool = False) -> None: ...

    #: What :attr:`state` may be.
    STATE_CONNECTING = State.CONNECTING
    STATE_CONNECTED = State.CONNECTED
    STATE_DISCONNECTING = State.DISCONNECTING
    STATE_DISCONNECTED = State.DISCONNECTED

    def kill(self, detach: bool = False) -> None:
        """:meth:`disconnect`, by the name that gevent-socketio had for it.

        ``detach`` changes nothing: a session that ended is always in no index.
        """
        self.disconnect()

    def detach(self) -> None:
        """End the session without a word, which takes it out of every index."""
        self.disconnect(silent=True)

    def remove_namespace(self, namespace: str) -> None:
        """Take the client out of the namespace of that name, without telling the client.

        Nothing happens if it is not connected. ``recv_disconnect`` is called, and the session goes
        on unless it is the global namespace.
        """
        instance = self.active_ns.get(namespace)
        if instance is not None:
            instance.disconnect(silent=True)

    @property
    def json_loads(self) -> Callable[[str], Any]:
        """The function that reads this client's JSON."""
        return self.codec.json_loads

    @property
    def json_dumps(self) -> Callable[[Any], str]:
        """The function that writes this client's JSON."""
        return self.codec.json_dumps
