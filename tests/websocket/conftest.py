"""WebSockets by hand against real servers: what a client can do on the wire, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from sockio import BaseNamespace

from ..support.servers import Served, not_ours
from ..support.transcript import Transcript


class Talk(BaseNamespace):
    """The namespace that the tests talk to, as "" and as /chat."""

    journal: ClassVar[Transcript]

    def recv_connect(self) -> None:
        self.journal.add("connect", self.ns_name, self)

    def recv_disconnect(self, reason: str) -> None:
        self.journal.add("disconnect", self.ns_name, reason)

    def recv_message(self, data: str) -> None:
        self.journal.add("message", data)
        self.send(data)

    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_size(self, text: str) -> int:
        return len(text)

    def on_kick_me(self, *last_words: str) -> None:
        for each in last_words:
            self.send(each)
        self.socket.disconnect()


@pytest.fixture
def journal() -> Transcript:
    """What happened on the server's side."""
    return Transcript("server")


@pytest.fixture
def talk(journal: Transcript) -> dict[str, type[BaseNamespace]]:
    """The namespaces, writing to the journal of this test."""
    cls = type("Talk", (Talk,), {"journal": journal})
    return {"": cls, "/chat": cls}


@pytest.fixture
def start(
    serve: Callable[..., Served], talk: dict[str, type[BaseNamespace]]
) -> Callable[..., Served]:
    """Start a server with :class:`Talk`: ``server = start(**settings)``."""
    return lambda app=not_ours, **settings: serve(app, talk, **settings)


@pytest.fixture
def server(start: Callable[..., Served]) -> Served:
    return start()


def requests(server: Served) -> int:
    """How many requests are under way, or connections kept for the next one."""
    pool = server.server.pool
    assert pool is not None
    fast = server.server.fast
    return len(pool) + (len(fast.connections) if fast is not None else 0)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that a peer gets to close its side: endless, so that nothing can rely on its end."""
    monkeypatch.setattr("sockio.transports.websocket.CLOSE_WAIT", 3600.0)
