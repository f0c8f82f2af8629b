"""One server that offers every transport, and clients of each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from sockio import BaseNamespace

from ..support.engine_transports import EVERY_CLIENT
from ..support.servers import Served, not_ours
from ..support.transcript import Transcript
from ..support.transports import CLIENTS, HTTP_CLIENTS, Client


class Talk(BaseNamespace):
    """What every transport has to carry the same way. As "" and as /chat."""

    journal: ClassVar[Transcript]

    def recv_connect(self) -> None:
        self.journal.add("connect", self.ns_name)

    def recv_disconnect(self, reason: str) -> None:
        self.journal.add("disconnect", self.ns_name, reason)

    def recv_message(self, data: str) -> None:
        self.journal.add("message", data)
        self.send(data)

    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_ask(self) -> None:
        self.emit("question", callback=lambda *args: self.journal.add("answer", *args))

    def on_count(self, upto: int) -> None:
        for number in range(upto):
            self.emit("number", number)

    def on_kick(self) -> None:
        self.send("last words")
        self.socket.disconnect()

    def on_kick_from_here(self) -> None:
        self.send("last words")
        self.disconnect()


class Closed(BaseNamespace):
    """Lets nobody in."""

    def recv_connect(self) -> bool:
        return False


@pytest.fixture
def journal() -> Transcript:
    """What happened on the server's side."""
    return Transcript("server")


@pytest.fixture
def start(serve: Callable[..., Served], journal: Transcript) -> Callable[..., Served]:
    """Start a server with :class:`Talk` that offers every transport."""
    talk = type("Talk", (Talk,), {"journal": journal})
    namespaces = {"": talk, "/chat": talk, "/closed": Closed}
    return lambda **settings: serve(not_ours, namespaces, **{"transports": [*CLIENTS], **settings})


@pytest.fixture
def server(start: Callable[..., Served]) -> Served:
    return start()


@pytest.fixture(params=[*CLIENTS])
def transport(request: pytest.FixtureRequest) -> str:
    """Each transport's name in turn."""
    return str(request.param)


@pytest.fixture
def connect(transport: str) -> Iterator[Callable[..., Client]]:
    """Make a client of the transport in turn: ``connect(server)``."""
    clients: list[Client] = []

    def make(server: Served, sid: str | None = None, name: str = transport) -> Client:
        client = CLIENTS[name](server, sid)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture(params=[*EVERY_CLIENT])
def join(request: pytest.FixtureRequest) -> Iterator[Callable[..., Client]]:
    """Make a client of each generation and transport in turn: ``join(server)``."""
    clients: list[Client] = []

    def make(server: Served, sid: str | None = None) -> Client:
        clients.append(EVERY_CLIENT[request.param](server, sid))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(params=[*HTTP_CLIENTS])
def http_transport(request: pytest.FixtureRequest) -> str:
    """The name of each transport that takes POSTs, in turn."""
    return str(request.param)
