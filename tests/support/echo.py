"""A namespace that answers, and that remembers what it was told."""

from __future__ import annotations

from typing import Any

from sockio import BaseNamespace
from sockio.virtsocket import Socket

__all__ = ["Echo", "heard"]


class Echo(BaseNamespace):
    """Everything it hears goes into its client's session, see :func:`heard`."""

    def recv_connect(self) -> None:
        self._hear("connect")

    def recv_disconnect(self, reason: str) -> None:  # type: ignore[override]
        self._hear("disconnect", reason)

    def recv_message(self, data: str) -> None:
        self._hear("message", data)

    def on_echo(self, *args: Any) -> Any:
        """Acknowledge with what was sent."""
        self._hear("echo", *args)
        return args

    def on_say(self, *args: Any) -> None:
        """Send back an event ``said``."""
        self._hear("say", *args)
        self.emit("said", *args)

    def _hear(self, *what: Any) -> None:
        self.session.setdefault("heard", []).append((self.ns_name, *what))


def heard(socket: Socket) -> list[tuple[Any, ...]]:
    """What the client's namespaces heard, in order: ``[("/chat", "say", 1), ...]``."""
    return list(socket.session.get("heard", []))
