"""How a connection ends, and comes back: as the page and the server see it."""

from __future__ import annotations

import pytest

from sockio.sessions.reasons import Reason

from ..support.recorded import Recorded
from ..support.transcript import Transcript, eventually
from .conftest import StartVisit, Visit

pytestmark = pytest.mark.browser


class Chat(Recorded):
    def on_kick_me(self) -> None:
        self.emit("last words")
        self.socket.disconnect()

    def on_who(self) -> str:
        return self.socket.sessid


@pytest.fixture
def visited(visit: StartVisit) -> Visit:
    return visit({"": Recorded, "/chat": Chat})


def all_told(journal: Transcript, visited: Visit, reason: str) -> None:
    """Both namespaces are told of the end, each once, and nothing is left of the session."""
    journal.next("disconnect", "", reason)
    journal.next("disconnect", "/chat", reason)
    eventually(lambda: not visited.server.registry.sockets, "the session is forgotten")
    assert len(journal.all("disconnect")) == 2


def test_the_server_disconnects_and_the_page_stays_away(
    visited: Visit, journal: Transcript
) -> None:
    client = visited.enter(reconnect=True, reconnection_delay=5)
    client.emit("kick me")
    assert client.next("last words") == []
    assert client.next("disconnect") == ["booted"]
    all_told(journal, visited, Reason.SERVER)
    assert client.got("reconnecting") == []


def test_the_page_disconnects(visited: Visit, journal: Transcript) -> None:
    client = visited.enter(reconnect=True, reconnection_delay=5)
    client.all_sent()
    client.disconnect()
    assert client.next("disconnect") == ["booted"]
    all_told(journal, visited, Reason.CLIENT)
    assert client.got("reconnecting") == []


def test_the_page_comes_back_when_the_server_has_lost_its_session(
    visited: Visit, journal: Transcript
) -> None:
    """By itself, under a new session id, in all its namespaces."""
    chat = visited.enter(reconnect=True, reconnection_delay=5)
    sid = chat.sid
    chat.all_sent()
    visited.server.registry.sockets[sid].close(Reason.OVERFLOW, say=False)
    chat.next("disconnect")
    chat.next("reconnect")
    chat.next("connect")
    assert chat.sid != sid
    assert chat.ask("who") == [chat.sid]
    assert [name for name, _ in journal.all("connect")] == ["", "/chat", "", "/chat"]
    assert [name for name, _ in journal.all("disconnect")] == ["", "/chat"]


@pytest.mark.parametrize("transport", ["websocket"])
@pytest.mark.parametrize("how", ["leave", "close"])
def test_an_unloaded_page_is_noticed_at_once_on_a_websocket(
    visited: Visit, journal: Transcript, how: str
) -> None:
    visited.enter(sync_disconnect_on_unload=True)
    getattr(visited.tab, how)()
    all_told(journal, visited, Reason.TRANSPORT_CLOSE)


@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling"])
@pytest.mark.parametrize("how", ["leave", "close"])
def test_a_polling_page_says_goodbye_by_a_beacon(
    visited: Visit, journal: Transcript, how: str
) -> None:
    """The way that docs/transports.md shows. At once: the settings would give it a minute."""
    client = visited.enter()
    goodbye = f"{visited.server.url}/socket.io/1//{client.sid}/?disconnect=1"
    visited.tab.evaluate(
        "(url) => { addEventListener('pagehide', () => navigator.sendBeacon(url)); }", goodbye
    )
    getattr(visited.tab, how)()
    all_told(journal, visited, Reason.CLIENT)


@pytest.mark.parametrize("cross", [False])
@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling"])
def test_a_polling_page_that_says_no_goodbye_is_noticed_by_its_silence(
    visit: StartVisit, journal: Transcript
) -> None:
    """The client's option is of no use any more: since 2020 browsers let no synchronous request out
    of a page that unloads. Nothing is lost but time."""
    visited = visit(
        {"": Recorded, "/chat": Chat},
        close_timeout=0.6,
        polling_duration=0.3,
        heartbeat_interval=0.3,
    )
    visited.enter(sync_disconnect_on_unload=True)
    visited.tab.leave()
    journal.next("disconnect", "")
    journal.next("disconnect", "/chat")
    eventually(lambda: not visited.server.registry.sockets, "the session is forgotten")


def test_the_request_of_sync_disconnect_ends_the_session(
    visited: Visit, journal: Transcript
) -> None:
    """What 'sync disconnect on unload' does, in a page that stays."""
    client = visited.enter(reconnect=True, reconnection_delay=5)
    client.disconnect_sync()
    assert client.next("disconnect") == ["booted"]
    all_told(journal, visited, Reason.CLIENT)
