"""What sessions know of those above them: who carries packets, who handles them, who delivers an
emission.

Nothing is implemented here; a transport, the dispatcher and the backplane are handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..protocol.engine_codec import Bundle
from ..protocol.packet import Opened
from .outbox import Outgoing

__all__ = ["Carrier", "PacketSink", "Publisher"]


class Carrier(Protocol):
    """What takes packets to one client at the moment: an open poll, a websocket, a stream.

    One for many packets may have a method ``taken() -> object``: what changes whenever the client
    has taken more of what was written. Then it is not cut at its end while it does.

    Its methods are called by the socket, never block and never raise; what goes wrong on the wire
    is told to the socket by ``socket.lost(carrier, ...)``.
    """

    #: The transport's name, as in the URL.
    name: str
    #: True when the carrier stays for many packets: it has heartbeats, and its end is a disconnect.
    streaming: bool
    #: True while nothing keeps it from taking what the outbox holds, as soon as it is ``ready()``.
    waits: bool

    def write(self, packet: Outgoing) -> bool:
        """Take one packet now. False leaves it to the outbox, and ``ready()`` follows."""
        ...

    def ready(self) -> None:
        """The outbox holds something: come and take it."""
        ...

    def idle(self) -> None:
        """The time of an answer without content has come (the poll duration is over)."""
        ...

    def replaced(self) -> None:
        """A newer carrier has taken over: end politely."""
        ...

    def finish(self) -> None:
        """The session has ended: deliver what the outbox holds, then end the connection."""
        ...

    def abort(self) -> None:
        """The peer is gone or must go: end the connection at once."""
        ...

    def pause(self) -> None:
        """Stop reading: the client sends faster than its events are handled."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...


class PacketSink(Protocol):
    """What a socket does with the packets that need the application: the dispatcher."""

    @property
    def full(self) -> bool:
        """Whether as much waits to be handled as may for one client, in packets or in bytes. When
        it does, the socket's ``resume()`` is called when half of that is done."""
        ...

    @property
    def heard(self) -> int:
        """Bytes of what the client has sent and the application was given so far, but for short
        packets."""
        ...

    def takes_early(self, size: int) -> bool:
        """Whether ``size`` bytes more may wait for the session to open. If not, the socket's
        ``resume()`` is called when it does."""
        ...

    def open(self) -> None:
        """The session opened: connect the global namespace, before anything else is handled."""
        ...

    def submit(self, text: str | bytes | Bundle) -> None:
        """Handle the packet in ``text``, or answer that it is none, after what came before it.
        Never blocks, never raises."""
        ...

    def part(self, endpoint: str, text: str | bytes | Bundle) -> None:
        """The client left a namespace, with all that it said before; ``text`` said so."""
        ...

    def answer(self, opened: Opened) -> None:
        """Read an ack, and run the callback that waits for it, next to whatever handler is
        running. Never blocks, never raises."""
        ...

    def leave(self, namespace: Any, reason: str, *, say: bool) -> None:
        """Tell one namespace that the client is no longer in it; with ``say`` tell the client,
        too."""
        ...

    def owes_an_ack(self) -> bool:
        """Whether the calling task is a handler whose client waits for its ack. If so, the socket's
        ``part()`` is called with that, or without when the handler failed or takes long."""
        ...

    def close(self, reason: str, done: Callable[[], object]) -> None:
        """Tell every connected namespace that the session is over, then call ``done`` once."""
        ...


class Publisher(Protocol):
    """What takes an emission to the sockets that it is for: :class:`sockio.backplane.Backplane`."""

    def publish(self, emission: Any) -> object: ...

    def tell(self, order: Any) -> None: ...

    def ask(self, question: Any) -> Any: ...

    def notify(self, event: str, args: list[Any]) -> None: ...
