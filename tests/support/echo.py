"""A namespace that answers, and that remembers what it was told."""

from __future__ import annotations

from typing import Any

from sockio import BaseNamespace
from sockio.virtsocket import Socket

__all__ = ["Doorkeeper", "Echo", "heard", "said", "say"]


class Echo(BaseNamespace):
    """Everything it hears goes into its client's session, see :func:`heard`."""

    def recv_connect(self) -> None:
        self._hear("connect")

    def recv_disconnect(self, reason: str) -> None:
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


def say(*words: str) -> str:
    """The packet of a client that has :class:`Echo` say something back."""
    quoted = ",".join(f'"{word}"' for word in words)
    return f'5:::{{"name":"say","args":[{quoted}]}}'


def said(*words: str) -> str:
    """The packet by which it does."""
    return say(*words).replace("say", "said")


class Doorkeeper(Echo):
    """Throws its client out when asked to: from one namespace, or altogether."""

    def on_kick(self) -> None:
        self.emit("said", "bye")
        self.disconnect()

    def on_end(self) -> None:
        self.emit("said", "bye")
        self.socket.disconnect()
