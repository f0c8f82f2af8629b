"""The Django chat, started by the lines in its README: accounts, rooms in the ORM, and a view that
announces."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sockio.testing import Browser, Client, EventFailed, Refused, Reply

from ..support.node import Node
from ..support.processes import need_module
from ..support.transcript import PATIENCE
from .programs import EXAMPLES, Program, command_of, running

FOLDER = EXAMPLES / "django_chat"
COOKIES = EXAMPLES.parent / "tests" / "support" / "node_cookies.js"
PASSWORD = "correct horse battery"

OpenPage = Callable[..., Client]


class Chat:
    """A running chat, and browsers that look at it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.url = program.tells(r"development server at (http://[\d.:]+)", 4 * PATIENCE)
        self.browsers: list[Browser] = []
        self.host = self.register("Ada")

    def visit(self) -> Browser:
        self.browsers.append(Browser(self.url))
        return self.browsers[-1]

    def register(self, name: str) -> Browser:
        browser = self.visit()
        reply = fill_in(
            browser, "/accounts/register/", username=name, password1=PASSWORD, password2=PASSWORD
        )
        assert (reply.status, reply.headers["Location"]) == (302, "/"), reply.text
        return browser

    def open_room(self, name: str) -> str:
        reply = fill_in(self.host, "/", name=name)
        assert reply.status == 302, reply.text
        return str(reply.headers["Location"]).split("/")[2]


def start(data: Path, *options: str, **environ: Any) -> Any:
    migrate = command_of("django_chat", "python manage.py migrate")
    with running(migrate, FOLDER, CHAT_DATA=str(data)) as program:
        assert program.wait() == 0, program.output
    command = command_of("django_chat", "python manage.py runserver_socketio")
    return running([*command, "127.0.0.1:0", *options], FOLDER, CHAT_DATA=str(data), **environ)


def token_in(reply: Reply) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', reply.text)
    assert found, reply
    return found[1]


def fill_in(browser: Browser, path: str, **fields: str) -> Reply:
    """Send a form as a person does: after having looked at the page that it is on."""
    return browser.submit(path, csrfmiddlewaretoken=token_in(browser.get(path)), **fields)


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    need_module("django", requirement=".[django-demo]")
    # With the reloader, as the README has it.
    with start(tmp_path_factory.mktemp("chat")) as program:
        chat = Chat(program)
        yield chat
        for browser in chat.browsers:
            browser.close()
        assert program.stop() == 0


@pytest.fixture(scope="module")
def bob(chat: Chat) -> Browser:
    return chat.register("Bob")


@pytest.fixture(scope="module")
def lobby(chat: Chat) -> str:
    return chat.open_room("Lobby")


@pytest.fixture
def page() -> Iterator[OpenPage]:
    """Open a page that is closed at the end of the test: ``page(bob, "lobby")``."""
    opened: list[Client] = []

    def open_one(browser: Browser, room: str = "") -> Client:
        client = browser.connect("/chat")
        opened.append(client)
        if room:
            answer = client.call("enter", room)
            assert set(answer) == {"people", "missed"}
        return client

    yield open_one
    for client in opened:
        client.disconnect()


# ---- Who may do what


def test_pages_lead_to_the_login_and_the_namespace_refuses(chat: Chat) -> None:
    stranger = chat.visit()
    assert stranger.get("/").headers["Location"] == "/accounts/login/?next=/"
    with pytest.raises(Refused) as refused:
        stranger.connect("/chat")
    assert refused.value.status is None


def test_a_login_opens_both(chat: Chat, bob: Browser, page: OpenPage) -> None:
    browser = chat.visit()
    reply = fill_in(browser, "/accounts/login/", username="Bob", password=PASSWORD, next="/")
    assert (reply.status, reply.headers["Location"]) == (302, "/")
    page(browser)
    # Nobody has configured any logging: the development server shows who comes and goes.
    chat.program.tells(r"(sockio\.socket: open \S+ connected websocket 127\.0\.0\.1)")


def test_the_page_brings_the_client(chat: Chat, lobby: str) -> None:
    text = chat.host.get(f"/rooms/{lobby}/").text
    client, more = re.findall(r'<script src="([^"]+)"([^>]*)>', text)[0]
    assert "socket.io" in client
    # That of a CDN is one that the browser knows.
    assert client.startswith("/static/") or 'integrity="sha384-' in more
    for path in re.findall(r'"(/static/[^"]+)"', text):
        assert chat.host.get(path).status == 200, path


def test_a_log_out_is_told_to_open_pages(chat: Chat, lobby: str) -> None:
    browser = chat.register("Grace")
    client = browser.connect("/chat")
    client.call("enter", lobby)
    reply = browser.submit("/accounts/logout/", csrfmiddlewaretoken=token_in(browser.get("/")))
    assert reply.status == 302
    assert client.expect_end() == "server disconnect"


# ---- What is said


def test_a_message_is_stored_and_reaches_the_room(
    chat: Chat, bob: Browser, lobby: str, page: OpenPage
) -> None:
    ada, other = page(chat.host, lobby), page(bob, lobby)
    text = "Grüße ☃ 🎈 <b>\u2028 x"
    stored = ada.call("say", text, "key 1")
    assert stored == {**stored, "author": "Ada", "text": text}
    assert other.expect("message").args[0] == stored
    assert "&lt;b&gt;" in bob.get(f"/rooms/{lobby}/").text


def test_the_same_key_is_the_same_message(
    chat: Chat, bob: Browser, lobby: str, page: OpenPage
) -> None:
    ada, other = page(chat.host, lobby), page(bob, lobby)
    first = ada.call("say", "only once", "key 2")
    assert ada.call("say", "only once", "key 2") == first
    assert other.call("say", "only once", "key 2") != first  # keys are one's own
    assert chat.host.get(f"/rooms/{lobby}/").text.count("only once") == 2


def test_a_page_that_comes_back_gets_what_it_missed(chat: Chat, lobby: str, page: OpenPage) -> None:
    ada = page(chat.host, lobby)
    before = ada.call("say", "before", "key 3")
    after = ada.call("say", "after", "key 4")
    answer = page(chat.host).call("enter", lobby, before["id"])
    assert answer["missed"] == [after]


def test_who_is_here_is_told(chat: Chat, bob: Browser, page: OpenPage) -> None:
    room = chat.open_room("Tea time")
    ada = page(chat.host, room)
    other = bob.connect("/chat")
    assert other.call("enter", room) == {"people": ["Ada", "Bob"], "missed": []}
    assert ada.expect("people").args[0] == ["Ada", "Bob"]
    other.disconnect()
    assert ada.expect("people").args[0] == ["Ada"]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(["say", "x" * 1001, "key"], id="too long"),
        pytest.param(["say", " \n ", "key"], id="blank"),
        pytest.param(["say", {"length": 3}, "key"], id="no text"),
        pytest.param(["say", "hello", None], id="no key"),
        pytest.param(["say"], id="too few arguments"),
        pytest.param(["enter", "nowhere"], id="no such room"),
        pytest.param(["enter", ["lobby"]], id="no room's name"),
        pytest.param(["enter", "lobby", 2**64], id="no message's number"),
        pytest.param(["user"], id="no event"),
    ],
)
def test_a_refusal_is_an_ack_that_says_why(
    chat: Chat, lobby: str, page: OpenPage, event: list[Any]
) -> None:
    with pytest.raises(EventFailed) as refused:
        page(chat.host, lobby).call(*event)
    assert refused.value.code != "internal_error"
    assert refused.value.message


# ---- Views that tell the sockets


def test_ds20_the_staff_announces_by_an_ordinary_view(
    chat: Chat, bob: Browser, lobby: str, page: OpenPage
) -> None:
    elsewhere = chat.open_room("Elsewhere")
    here, there = page(bob, lobby), page(chat.host, elsewhere)
    assert fill_in(chat.host, "/announce/", text="Fire drill.", room="").status == 302
    for client in (here, there):
        assert client.expect("message").args[0]["text"] == "Fire drill."
    number = re.search(r'<option value="(\d+)">Lobby', chat.host.get("/announce/").text)
    assert number
    fill_in(chat.host, "/announce/", text="Only here.", room=number[1])
    assert here.expect("message").args[0]["text"] == "Only here."
    said = there.call("say", "something else", "key 5")
    answer = there.call("enter", elsewhere, said["id"] - 1)
    assert answer["missed"] == [said]
    assert "Only here." not in chat.host.get(f"/rooms/{elsewhere}/").text
    assert bob.get("/announce/").status == 302


def test_a_new_room_is_told_to_everybody(chat: Chat, bob: Browser, page: OpenPage) -> None:
    client = page(bob)
    slug = chat.open_room("Brand new")
    assert client.expect("room").args == ["Brand new", f"/rooms/{slug}/"]
    reply = fill_in(bob, "/", name=" brand  NEW ")
    assert (reply.status, "There is a room of that name" in reply.text) == (200, True)


# ---- With the real client


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("hers", "his"),
    [
        pytest.param("websocket", "websocket", id="both on websockets"),
        pytest.param("websocket", "xhr-polling", id="one on a websocket, one polling"),
    ],
)
def test_two_people_talk(
    chat: Chat, bob: Browser, hers: str, his: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_OPTIONS", f"--require {COOKIES}")
    room = chat.open_room(f"{hers} and {his}")
    node = Node()
    try:
        people = []
        for browser, transport in ((chat.host, hers), (bob, his)):
            cookie = quote("; ".join(f"{k}={v}" for k, v in browser.cookies.items()))
            client = node.connect(f"{chat.url}/chat?cookie={cookie}", transport)
            client.next("connect")
            assert client.transport == transport
            client.ask("enter", room, 0)
            people.append(client)
        ada, other = people
        assert ada.next("people") == [["Ada", "Bob"]]
        (stored,) = ada.ask("say", "hello", f"{hers} {his}")
        assert other.next("message") == [stored]
        fill_in(chat.host, "/announce/", text=f"Welcome, {his}.", room="")
        for client in people:
            (said,) = client.next("message")
            assert (said["author"], said["text"]) == (None, f"Welcome, {his}.")
        other.disconnect()
        assert ada.next("people") == [["Ada"]]
    finally:
        node.kill()


@pytest.mark.e2e
def test_after_a_restart_everything_is_there(tmp_path: Path) -> None:
    need_module("django", requirement=".[django-demo]")
    with start(tmp_path, "--noreload") as program:
        chat = Chat(program)
        room = chat.open_room("Lobby")
        client = chat.host.connect("/chat")
        client.call("enter", room)
        stored = client.call("say", "it stays", "key")
        cookies = chat.host.cookies
        chat.host.close()
        assert program.stop() == 0
    with start(tmp_path, "--noreload") as program:
        browser = Browser(program.tells(r"development server at (http://[\d.:]+)", 4 * PATIENCE))
        browser.cookies = cookies
        client = browser.connect("/chat")
        assert client.call("enter", room) == {"people": ["Ada"], "missed": [stored]}
        browser.close()
