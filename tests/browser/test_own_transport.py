"""The transport that the how-to builds, with its script in a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..support.pages import load, snippets
from ..support.recorded import Recorded
from ..support.servers import Served
from ..support.transcript import Transcript
from .conftest import pages
from .remote import Browser

pytestmark = pytest.mark.browser

PAGE = "howto/own_transport.md"


class Chat(Recorded):
    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same origin", "another origin"])
def test_a_page_talks_over_it(
    serve: Callable[..., Served],
    browser: Browser,
    journal: Transcript,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: bool,
) -> None:
    transport = load(PAGE, "event_source", tmp_path, monkeypatch).EventSource
    site = serve(pages)
    recorded = {name: type("Chat", (Chat,), {"journal": journal}) for name in ("", "/chat")}
    server = serve(pages, recorded, own_transports=[transport], origins=[site.url])
    tab = browser.open((site if elsewhere else server).url + "/")
    (script,) = snippets(PAGE, "js")
    tab.evaluate(script)
    client = tab.connect(server.url + "/chat", "event-source")
    client.next("connect")
    (socket,) = server.registry.sockets.values()
    assert socket.transport == "event-source"
    assert client.ask("echo", "two\nlines\r\n", "Grüße ☃", 7) == ["two\nlines\r\n", "Grüße ☃", 7]
    client.disconnect()
    journal.next("disconnect", "/chat", "client disconnect")
