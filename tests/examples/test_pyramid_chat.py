"""The Pyramid chat, started by the line in its README: accounts, permissions, and a history that a
restart leaves as it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sockio.testing import Browser, Client, EventFailed, Reply

from ..support.processes import need_distribution, need_module
from .programs import EXAMPLES, Program, command_of, running

FOLDER = EXAMPLES / "pyramid_chat"
PASSWORD = "correct horse battery"

OpenPage = Callable[[Browser], Client]


class Chat:
    """A running chat, and browsers that look at it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.url = program.tells(r"serving on (http://[\d.:]+)")
        self.browsers: list[Browser] = []
        self.host = self.register("Ada")

    def visit(self) -> Browser:
        self.browsers.append(Browser(self.url, generation="0.9"))
        return self.browsers[-1]

    def register(self, name: str) -> Browser:
        browser = self.visit()
        reply = fill_in(browser, "/register", name=name, password=PASSWORD)
        assert (reply.status, reply.headers["Location"]) == (303, f"{self.url}/"), reply.text
        return browser


def start(data: Path, port: str = "0", **environ: Any) -> Any:
    command = command_of("pyramid_chat", "python -m pyramid.scripts.pserve development.ini")
    return running([*command, f"port={port}", f"data={data}"], FOLDER, **environ)


def token_in(reply: Reply) -> str:
    found = re.search(r'name="csrf_token" value="(\w+)"', reply.text)
    assert found, reply
    return found[1]


def fill_in(browser: Browser, path: str, **fields: str) -> Reply:
    """Send a form as a person does: after having looked at the page that it is on."""
    return browser.submit(path, csrf_token=token_in(browser.get(path)), **fields)


def connect(browser: Browser) -> Client:
    """A page that has been let in, and told so."""
    client = browser.connect("/chat")
    client.expect("welcome")
    return client


def enter(client: Client, room: str, after: int = 0) -> dict[str, Any]:
    answer = client.call("enter room", room, after)
    assert isinstance(answer, dict)
    return answer


def texts(answer: dict[str, Any]) -> list[str]:
    return [message["text"] for message in answer["messages"]]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    need_module("pyramid", "pyramid_jinja2", "sqlalchemy", requirement=".[pyramid-demo]")
    need_distribution("sockio-wsgi")
    with start(tmp_path_factory.mktemp("chat")) as program:
        chat = Chat(program)
        yield chat
        for browser in chat.browsers:
            browser.close()


@pytest.fixture(scope="module")
def bob(chat: Chat) -> Browser:
    return chat.register("Bob")


@pytest.fixture
def page() -> Iterator[OpenPage]:
    """Open a page that is closed at the end of the test: ``page(bob)``."""
    opened: list[tuple[Browser, Client]] = []

    def open_one(browser: Browser) -> Client:
        client = connect(browser)
        opened.append((browser, client))
        return client

    yield open_one
    for browser, client in opened:
        assert browser.get(f"{client.url}?disconnect").status == 200


# ---- Who may do what


def test_gevent_patches_early_enough(chat: Chat) -> None:
    assert "MonkeyPatchWarning" not in chat.program.output


def test_without_a_login_the_page_leads_to_it_and_the_handshake_is_refused(chat: Chat) -> None:
    stranger = chat.visit()
    assert stranger.get("/").headers["Location"] == f"{chat.url}/login"
    refusal = stranger.get("/socket.io/1/")
    assert (refusal.status, refusal.text) == (403, "handshake unauthorized")


def test_a_login_opens_both(chat: Chat, bob: Browser) -> None:
    browser = chat.visit()
    assert fill_in(browser, "/login", name="bob", password=PASSWORD).status == 303
    page = browser.get("/")
    assert 'data-me="Bob"' in page.text
    assert "script-src 'self' https://" in page.headers["Content-Security-Policy"]
    assert browser.get("/socket.io/1/").status == 200


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param("/login", {"name": "Ada", "password": "wrong"}, id="a wrong password"),
        pytest.param("/login", {"name": "Nobody", "password": PASSWORD}, id="no such person"),
        pytest.param("/register", {"name": "ADA", "password": PASSWORD}, id="a name that is taken"),
        pytest.param("/register", {"name": "\u202eada", "password": PASSWORD}, id="an unfit name"),
        pytest.param("/register", {"name": "Eve", "password": "short"}, id="a short password"),
    ],
)
def test_a_form_that_is_refused_says_why(chat: Chat, path: str, fields: dict[str, str]) -> None:
    browser = chat.visit()
    reply = fill_in(browser, path, **fields)
    assert reply.status == 400
    assert 'role="alert"' in reply.text
    assert "auth_tkt" not in browser.cookies


@pytest.mark.parametrize("path", ["/login", "/register", "/logout", "/announce"])
def test_a_form_from_elsewhere_is_refused(chat: Chat, path: str) -> None:
    reply = chat.host.submit(path, name="Eve", password=PASSWORD, text="boo")
    assert reply.status == 400
    assert "Please try again" in reply.text


def test_a_log_out_ends_the_login_its_sockets_and_copies_of_its_cookie(
    chat: Chat, page: OpenPage
) -> None:
    browser, thief = chat.register("Grace"), chat.visit()
    client = page(browser)
    thief.cookies.update(browser.cookies)
    reply = browser.submit("/logout", csrf_token=token_in(browser.get("/")))
    assert reply.headers["Location"] == f"{chat.url}/login"
    assert client.expect_end() == "server disconnect"
    assert thief.get("/socket.io/1/").status == 403


# ---- What is said


def test_a_message_reaches_the_room_and_its_ack_the_author(
    chat: Chat, bob: Browser, page: OpenPage
) -> None:
    ada, other = page(chat.host), page(bob)
    enter(ada, "lobby")
    enter(other, "lobby")
    text = "Grüße ☃ 🎈 <b>\u2028 x\nnext line"
    stored = ada.call("user message", "lobby", text, "key 1")
    assert stored == {**stored, "room": "lobby", "author": "Ada", "text": text}
    assert other.expect("message").args == [stored]
    assert {event.name for event in other.heard()} <= {"presence", "activity"}


def test_the_same_key_is_the_same_message(chat: Chat, bob: Browser, page: OpenPage) -> None:
    ada, other = page(chat.host), page(bob)
    first = ada.call("user message", "lobby", "only once", "key 2")
    assert ada.call("user message", "lobby", "only once", "key 2") == first
    assert other.call("user message", "lobby", "only once", "key 2") != first  # keys are one's own
    assert texts(enter(ada, "lobby")).count("only once") == 2


def test_half_a_character_is_replaced(chat: Chat, page: OpenPage) -> None:
    stored = page(chat.host).call("user message", "lobby", "a cut \ud83c", "key \udf88")
    assert stored["text"] == "a cut \ufffd"


def test_a_new_room_says_who_opened_it_and_is_told_to_everybody(
    chat: Chat, bob: Browser, page: OpenPage
) -> None:
    ada, other = page(chat.host), page(bob)
    assert other.call("open room", "  Tea  time ") == "Tea time"
    assert other.call("open room", "tea TIME") == "Tea time"
    assert ada.expect("room").args == ["Tea time"]
    assert texts(enter(other, "Tea time")) == ["Bob opened this room."]
    ada.expect("presence", "Bob", ["Tea time"])


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(["user message", "lobby", "x" * 2001, "key"], id="too long"),
        pytest.param(["user message", "lobby", " \n ", "key"], id="blank"),
        pytest.param(["user message", "lobby", {"length": 3}, "key"], id="no text"),
        pytest.param(["user message", "lobby", "hello", None], id="no key"),
        pytest.param(["user message", "nowhere", "hello", "key"], id="no such room"),
        pytest.param(["user message", "\ud83c", "hello", "key"], id="half a character"),
        pytest.param(["user message", "lobby"], id="too few arguments"),
        pytest.param(["enter room", ["lobby"], 0], id="no room's name"),
        pytest.param(["older messages", "lobby", 2**64], id="no message's number"),
        pytest.param(["open room", "\u200b"], id="an invisible name"),
        pytest.param(["db"], id="no event"),
    ],
)
def test_a_refusal_is_an_ack_that_says_why(chat: Chat, page: OpenPage, event: list[Any]) -> None:
    with pytest.raises(EventFailed) as failed:
        page(chat.host).call(*event)
    assert failed.value.code != "internal_error"


def test_the_host_announces_to_every_room_by_an_ordinary_request(
    chat: Chat, bob: Browser, page: OpenPage
) -> None:
    client = page(bob)
    token = token_in(chat.host.get("/"))
    assert chat.host.submit("/announce", text="Fire drill.", csrf_token=token).status == 204
    (message,) = client.expect("message").args
    assert (message["author"], message["room"]) == (None, None)
    assert texts(enter(client, "lobby"))[-1] == "Fire drill."
    # Nobody else has the permission.
    his = bob.get("/")
    assert 'id="announce"' not in his.text
    assert bob.submit("/announce", text="Me too", csrf_token=token_in(his)).status == 403


def test_after_a_restart_logins_and_history_are_there_and_can_be_paged_through(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    need_module("pyramid", "pyramid_jinja2", "sqlalchemy", requirement=".[pyramid-demo]")
    need_distribution("sockio-wsgi")
    said = [f"line {number}" for number in range(50)]
    with start(tmp_path) as program:
        chat = Chat(program)
        client = connect(chat.host)
        for line in said:
            client.call("user message", "lobby", line, line)
        cookies = chat.host.cookies
        chat.host.close()
        assert program.stop() == 0

    with start(tmp_path) as program:
        browser = Browser(program.tells(r"serving on (http://[\d.:]+)"))
        request.addfinalizer(browser.close)
        browser.cookies = cookies
        client = connect(browser)
        newest = enter(client, "lobby")
        assert (texts(newest), newest["more"]) == (said[10:], True)
        older = client.call("older messages", "lobby", newest["messages"][0]["id"])
        assert (texts(older), older["more"]) == (said[:10], False)
        # A page that was there before asks only for what it has missed.
        assert texts(enter(client, "lobby", after=newest["messages"][-3]["id"])) == said[-2:]
