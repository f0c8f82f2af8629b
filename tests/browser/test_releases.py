"""Every line of clients that speaks our protocol, over each transport of today's browsers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace

from ..support.servers import Served
from .conftest import RELEASES, pages
from .remote import Browser

pytestmark = pytest.mark.browser


class Chat(BaseNamespace):
    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_ask(self, question: str) -> None:
        self.emit(question, "Grüße ☃", [1, {"a": None}])

    def recv_message(self, data: str) -> None:
        self.send(data)


@pytest.mark.parametrize("version", RELEASES)
def test_a_release_converses(
    serve: Callable[..., Served], browser: Browser, version: str, transport: str
) -> None:
    server = serve(pages, {"": Chat, "/chat": Chat})
    tab = browser.open(f"{server.url}/?client={version}")
    assert tab.evaluate("io.version") == version
    chat = tab.connect(server.url + "/chat", transport)
    chat.next("connect")
    assert chat.transport == transport
    for words in (["Grüße ☃ +%22"], ["two\nlines", {"a": [1, None]}], []):
        assert chat.ask("echo", *words) == words
    chat.emit("ask", "question")
    assert chat.next("question") == ["Grüße ☃", [1, {"a": None}]]
    # Until 0.8.0 the client's own parser takes no line end in a packet.
    text = "plain\ntext" if version > "0.8.0" else "plain text"
    chat.send(text)
    assert chat.next("message") == [text]
    chat.emit_many("echo", 20)
    assert chat.ask("echo", "behind them") == ["behind them"]
    assert chat.got("error") == chat.got("disconnect") == []
    assert len(server.registry) == 1
