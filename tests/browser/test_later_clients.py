"""The clients since 1.0, the last of each line, over each way that they have in a browser."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, Reason

from ..support.node import LATER
from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from .conftest import pages
from .remote import Browser, Client
from .test_conversation import AWKWARD, Chat

pytestmark = pytest.mark.browser

#: 3.0 has left JSONP out.
HOW = [
    pytest.param(version, way, id=f"{version} {way}")
    for version in LATER
    for way in ("polling", "websocket", "upgrade", "jsonp")
    if way != "jsonp" or version < "3"
]


def bytes_of(data: bytes) -> dict[str, str]:
    """How later.js is told of bytes."""
    return {"$bytes": base64.b64encode(data).decode()}


BYTES = bytes_of(bytes(range(256)))


class Talk(Chat):
    def on_throw_me_out(self) -> None:
        self.emit("last words")
        self.socket.disconnect()


Enter = Callable[..., Client]


@pytest.fixture(params=[False, True], ids=["same origin", "another origin"])
def cross(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def server(
    serve: Callable[..., Served], browser: Browser, journal: Transcript, cross: bool
) -> tuple[Served, str]:
    """A server, and from where the page is."""
    talk: type[BaseNamespace] = type("Talk", (Talk,), {"journal": journal})
    namespaces = {"/chat": talk, "/news": talk}
    if not cross:
        server = serve(pages, namespaces)
        return server, server.url
    elsewhere = serve(pages)
    return serve(pages, namespaces, origins=[elsewhere.url]), elsewhere.url


@pytest.fixture
def enter(server: tuple[Served, str], browser: Browser) -> Enter:
    def enter(version: str, way: str, **options: Any) -> Client:
        served, origin = server
        tab = browser.open(f"{origin}/?client={version}")
        client = tab.connect(served.url + "/chat", way, **options)
        client.next("connect")
        if way == "upgrade":
            assert client.next("upgrade") == ["websocket"]
        return client

    return enter


@pytest.mark.parametrize(("version", "way"), HOW)
def test_they_converse(enter: Enter, journal: Transcript, version: str, way: str) -> None:
    chat = enter(version, way)
    assert chat.ask("echo", *AWKWARD) == AWKWARD
    assert chat.transport == ("polling" if way in ("polling", "jsonp") else "websocket")
    for text in AWKWARD:
        chat.emit("say back", "heard", text, {text: [text]})
        assert chat.next("heard") == [text, {text: [text]}]
    for value in (BYTES, bytes_of(b""), {"deep": [BYTES, None, bytes_of(b"\x04")]}):
        assert chat.ask("echo", value, "beside") == [value, "beside"]
        chat.emit("say back", "heard", value)
        assert chat.next("heard") == [value]
    chat.answer("question", "Grüße ☃", [1])
    chat.emit("ask", "question")
    assert journal.next("answer") == (("Grüße ☃", [1]),)
    chat.emit_many("count", 50)
    chat.emit("count to", 50)
    # A page cannot take more at once from 1.x, which makes arguments of the bytes of an answer.
    large = "\u2603\U0001f388" * (2_000 if version < "2" else 20_000)
    assert chat.ask("echo", large) == [large]
    assert [journal.next("count") for _ in range(50)] == [(number,) for number in range(50)]
    assert [chat.next("number") for _ in range(50)] == [[number] for number in range(50)]
    chat.send("plain\ntext")
    assert chat.next("message") == ["plain\ntext"]
    news = chat.open("/news")
    news.next("connect")
    assert news.ask("echo", 1) == [1]
    assert chat.got("error") == chat.got("connect_error") == chat.got("disconnect") == []


@pytest.mark.parametrize("cross", [False], ids=["same origin"])
@pytest.mark.parametrize(("version", "way"), HOW)
def test_the_ends(
    enter: Enter, server: tuple[Served, str], journal: Transcript, version: str, way: str
) -> None:
    chat = enter(version, way)
    chat.emit("throw me out")
    assert chat.next("disconnect") == ["io server disconnect"]
    assert chat.got("last words") == [[]]
    journal.next("disconnect", "/chat", Reason.SERVER)
    other = enter(version, way)
    other.disconnect()
    assert other.next("disconnect") == ["io client disconnect"]
    journal.next("disconnect", "/chat", Reason.NAMESPACE_CLIENT)
    eventually(lambda: not server[0].registry.sockets, "the sessions are forgotten")
