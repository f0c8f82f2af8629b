"""The programs in the how-to pages run, and do what the pages say."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import gevent
import pytest
from gevent import Greenlet
from gevent.event import Event

from sockio.testing import Client, EventFailed, LiveServer, Refused

from ..support.pages import load, programs, site_with_jobs
from ..support.raw_http import Connection, get
from ..support.raw_websocket import open_own

Load = Callable[[str, str], ModuleType]


@pytest.fixture
def sockio_serve(sockio_serve: Callable[..., LiveServer]) -> Callable[..., LiveServer]:
    """With the clients that a reader's own tests have."""
    return functools.partial(sockio_serve, generation="")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """A program of a page: ``program("recipes", "login")``."""
    return lambda page, name: load(f"howto/{page}.md", name, tmp_path, monkeypatch)


@pytest.fixture
def site(program: Load, sockio_serve: Callable[..., LiveServer]) -> Callable[[str], LiveServer]:
    """A recipe that is served."""
    return lambda recipe: sockio_serve(program("recipes", recipe).app)


# ---- frameworks


@pytest.mark.parametrize(
    ("page", "name", "app", "needs"),
    [
        pytest.param("flask", "flask_site", "app", "flask", id="Flask"),
        pytest.param("pyramid", "pyramid_site", "application", "pyramid", id="Pyramid"),
        pytest.param("bottle", "bottle_site", "application", "bottle", id="Bottle"),
        pytest.param("wsgi", "wsgi_site", "application", "webob", id="WSGI"),
    ],
)
def test_the_site_of_each_framework(
    program: Load,
    sockio_serve: Callable[..., LiveServer],
    page: str,
    name: str,
    app: str,
    needs: str,
) -> None:
    pytest.importorskip(needs)
    server = sockio_serve(getattr(program(page, name), app))
    with pytest.raises(Refused) as refused:
        server.connect("/chat")
    assert refused.value.status == 403
    ada, bob = server.browser(), server.browser()
    ada.submit("/login", nickname="ada")
    bob.submit("/login", nickname="bob")
    one, other = ada.connect("/chat"), bob.connect("/chat")
    assert one.call("user message", "hello") is True
    assert other.expect("user message").args == ["ada", "hello"]
    assert bob.submit("/announce", text="fire drill").status in (200, 204)
    assert one.expect("announcement").args == ["fire drill"]


@pytest.mark.parametrize(
    ("page", "app", "background"),
    [
        pytest.param("flask", "app", "online", id="Flask"),
        pytest.param("pyramid", "application", "here", id="Pyramid"),
    ],
)
def test_to_one_user_and_jobs(
    sockio_serve: Callable[..., LiveServer], page: str, app: str, background: str
) -> None:
    """The block of the page that goes on with its site, in the place that it says."""
    pytest.importorskip(page)
    tasks: list[Greenlet[..., None]] = []
    module: dict[str, Any] = {}
    source = site_with_jobs(page)
    source = source.replace("gevent.spawn(", "spawned(").replace("gevent.sleep(1)", "pause()")

    def spawned(*args: Any) -> None:
        tasks.append(gevent.spawn(*args))

    module.update(spawned=spawned, pause=lambda: gevent.sleep(0.01), __name__=__name__)
    exec(source, module)
    try:
        server = sockio_serve(module[app])
        ada, bob = server.browser(), server.browser()
        ada.submit("/login", nickname="ada")
        bob.submit("/login", nickname="bob")
        one, other = ada.connect("/chat"), bob.connect("/chat")
        both = {"online": 2, "here": ["ada", "bob"]}[background]
        assert one.expect(background, both).args == [both]
        assert ada.submit("/job").status == 202
        for percent in range(0, 101, 10):
            assert one.expect("progress").args == [percent]
        assert other.heard("progress") == []
        if page == "pyramid":
            assert one.call("private message", "bob", "psst") is True
            assert other.expect("private message").args == ["ada", "psst"]
            assert one.call("private message", "eve", "psst") is False
    finally:
        gevent.killall(tasks)


def test_a_view_without_a_framework(program: Load, sockio_serve: Callable[..., LiveServer]) -> None:
    server = sockio_serve(program("wsgi", "view_site").application)
    with pytest.raises(Refused) as refused:
        server.connect("/chat", query="key=guessed")
    assert refused.value.status == 401
    assert server.connect("/chat", query="key=your%20own").call("user message", "hi") is True


# ---- websockets of one's own


@pytest.mark.parametrize(
    ("name", "app", "needs"),
    [
        pytest.param("echo_site", "application", "webob", id="WSGI"),
        pytest.param("flask_echo", "app", "flask", id="Flask"),
        pytest.param("pyramid_echo", "application", "pyramid", id="Pyramid"),
    ],
)
def test_a_websocket_of_ones_own(
    program: Load, sockio_serve: Callable[..., LiveServer], name: str, app: str, needs: str
) -> None:
    pytest.importorskip(needs)
    server = sockio_serve(getattr(program("websockets", name), app))
    headers: dict[str, str | None] = {}
    greeting = ""
    if name == "flask_echo":
        with Connection(server.port) as connection:
            assert open_own(connection, "/echo").upgrade.code == 401
        browser = server.browser()
        browser.submit("/login", nickname="ada")
        headers["Cookie"] = "; ".join(f"{key}={value}" for key, value in browser.cookies.items())
        greeting = "ada: "
    with Connection(server.port) as connection:
        client = open_own(connection, "/echo", **headers)
        for text in ("hello", "Grüße ☃", "x" * 70_000):
            client.say(text)
            assert client.hear() == greeting + text
        client.send_close(1000)
        assert client.closing() == 1000
    with Connection(server.port) as connection:
        foreign = open_own(connection, "/echo", Origin="http://evil.example", **headers).upgrade
        assert (foreign.code, foreign.headers["x-sockio-refusal"]) == (403, "origin-not-allowed")
    with Connection(server.port) as connection:
        assert open_own(connection, "/nowhere").upgrade.code == 404
    # As a page it is none.
    assert get(server.port, "/echo").code in (400, 404)


# ---- coming from Flask-SocketIO


@pytest.mark.parametrize("name", ["one_import", "own_way"])
def test_the_two_ways_from_flask_socketio(
    sockio_serve: Callable[..., LiveServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    pytest.importorskip("flask")
    site = load("migration-flask-socketio.md", name, tmp_path, monkeypatch)
    server = sockio_serve(site.app)
    with pytest.raises(Refused):
        server.connect("/chat", generation="eio4", transport="websocket")
    ada, bob = server.browser(), server.browser()
    ada.submit("/login", name="ada")
    bob.submit("/login", name="bob")
    one = ada.connect("/chat", generation="eio4", transport="upgrade")
    other = bob.connect("/chat", generation="eio3", transport="polling")
    assert one.call("say", "hello") == 5
    for client in (one, other):
        assert client.expect("said").args == [{"by": "ada", "text": "hello"}]
    one.emit("whisper", "bob", "psst")
    assert other.expect("whispered").args == [{"by": "ada", "text": "psst"}]
    assert one.heard("whispered") == []
    bob.submit("/announce", text="fire drill")
    assert one.expect("announcement").args == ["fire drill"]


# ---- recipes


def test_every_recipe_is_tried() -> None:
    tried = {
        "login",
        "session",
        "database",
        "jobs",
        "views",
        "threads",
        "cron",
        "not_too_fast",
        "tables",
        "to_one_user",
        "around",
        "functions",
        "search",
    }
    assert {name.removesuffix(".py") for name in programs("howto/recipes.md")} == tried


def test_a_login(site: Callable[[str], LiveServer]) -> None:
    server = site("login")
    with pytest.raises(Refused) as refused:
        server.connect("/chat", query="key=guessed")
    assert refused.value.code == "authorize-refused"
    ada = server.connect("/chat", query="key=key-of-ada")
    bob = server.connect("/chat", query="key=key-of-bob")
    assert (ada.call("who"), bob.call("who")) == ("ada", "bob")
    assert ada.call("kick", "bob") == "bob is out"
    with pytest.raises(EventFailed, match="method_access_denied"):
        bob.call("kick", "ada")
    assert ada.of("/admin").connected
    with pytest.raises(Refused):
        bob.of("/admin")


def test_the_session_read_and_written(site: Callable[[str], LiveServer]) -> None:
    browser = site("session").browser()
    assert browser.get("/").text == "light"
    client = browser.connect("/settings")
    assert [client.call("theme", theme) for theme in ("dark", "blue")] == [1, 2]
    assert browser.get("/").text == "blue"


def test_to_one_user(site: Callable[[str], LiveServer]) -> None:
    server = site("to_one_user")
    ada, phone = (server.connect("/chat", query="key=key-of-ada") for _ in range(2))
    bob = server.connect("/chat", query="key=key-of-bob")
    assert bob.call("private message", "ada", "hi") is True
    for page in (ada, phone):
        assert page.expect("private message").args == ["bob", "hi"]
    with pytest.raises(EventFailed, match="nobody called eve"):
        bob.call("private message", "eve", "hi")
    server.browser().submit("/invoice", user="bob", number="7")
    assert bob.expect("invoice").args == ["7"]
    assert ada.heard("invoice") == []
    bob.drop()
    server.wait_until(lambda: len(server.registry) == 2, "bob is gone")
    assert ada.call("private message", "bob", "hi") is False


def test_around_every_event(
    site: Callable[[str], LiveServer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "chat")
    client = site("around").connect("/chat")
    with pytest.raises(EventFailed, match="Log in first"):
        client.call("say", "hi")
    assert client.call("login", "ada") is True
    assert client.call("say", "hi") is True
    assert client.expect("said").args == ["ada", "hi"]
    lines = [record.message for record in caplog.records if record.name == "chat"]
    assert [line.partition(" took")[0] for line in lines] == ["login", "say"]


def test_functions_instead_of_a_class(site: Callable[[str], LiveServer]) -> None:
    server = site("functions")
    with pytest.raises(Refused, match="Who are you"):
        server.connect("/chat", generation="eio4")
    ada, bob = (
        server.connect("/chat", generation="eio4", auth={"nickname": name})
        for name in ("ada", "bob")
    )
    assert ada.call("user message", "hello") is True
    assert bob.expect("user message").args == ["ada", "hello"]
    ada.drop()
    assert bob.expect("left").args == ["ada"]


def test_handlers_that_take_long(
    program: Load, sockio_serve: Callable[..., LiveServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    search = program("recipes", "search")
    found = {"roses": Event(), "ivy": Event()}

    def find(words: str) -> str:
        found[words].wait()
        return words

    monkeypatch.setattr(search, "find", find)
    server = sockio_serve(search.app)
    client = server.connect("/library")
    answers: list[str] = []
    for words in found:
        client.emit("search", words, callback=answers.append)
    assert client.call("typing") is True
    found["ivy"].set()
    server.wait_until(lambda: len(answers) == 1, "one answer")
    found["roses"].set()
    server.wait_until(lambda: len(answers) == 2, "both answers")
    assert answers == ["ivy", "roses"]


def test_not_too_fast(site: Callable[[str], LiveServer]) -> None:
    server = site("not_too_fast")
    client = server.connect()
    assert [client.call("say", each) for each in "12345"] == [f"said {each}" for each in "12345"]
    with pytest.raises(EventFailed, match="rate_limited"):
        client.call("say", "6")
    for _ in range(40):
        client.emit("typing")
    assert client.call("password", "guessed") is False
    for _ in range(3):
        client.emit("password", "guessed")
    server.wait_until(lambda: not len(server.registry), "who guesses on is thrown out")


def test_a_database(site: Callable[[str], LiveServer]) -> None:
    server = site("database")
    ada = server.connect("/chat")
    assert ada.expect("history").args == [[]]
    assert ada.call("user message", "hello") is True
    with pytest.raises(EventFailed, match="Say something"):
        ada.call("user message", " ")
    assert server.connect("/chat").expect("history").args == [["hello"]]


def test_a_namespace_for_each_table(site: Callable[[str], LiveServer]) -> None:
    server = site("tables")

    def sit_down(table: int) -> Client:
        return server.connect(f"/table-{table}", generation="eio4")

    ada, bob, eve = sit_down(1), sit_down(1), sit_down(2)
    (name, _, table) = bob.expect("you are").args
    assert (name, table) == (bob.id, 1)
    ada.emit("whisper", bob.id, "fold")
    assert bob.expect("whisper").args == [ada.id, "fold"]
    ada.emit("whisper", eve.id, "fold")
    bob.on("ready?", lambda: "yes")
    assert ada.call("deal") == {bob.id: "yes"}
    bob.expect("deal")
    assert eve.heard() == eve.events[:1]
    bob.drop()
    server.wait_until(lambda: len(server.registry) == 2, "bob is gone")
    assert ada.call("deal") == {}


def test_background_jobs(program: Load, sockio_serve: Callable[..., LiveServer]) -> None:
    jobs = program("recipes", "jobs")
    server = sockio_serve(jobs.app)
    client = server.connect("/count")
    assert client.call("count", 3) is True
    assert [client.expect("number").args for _ in range(3)] == [[0], [1], [2]]
    client.expect("tick")
    client.call("count", 100_000)
    namespace = server.socket_of(client)["/count"]
    client.disconnect()
    server.wait_until(lambda: not len(namespace.jobs), "the job has ended with the client's stay")
    jobs.ticking.kill()


def test_emitting_from_views(site: Callable[[str], LiveServer]) -> None:
    server = site("views")
    ada, bob = server.connect("/news"), server.connect("/news")
    assert ada.call("subscribe", "rain") is True
    server.browser().submit("/publish", topic="rain", text="tomorrow")
    assert ada.expect("news").args == ["tomorrow"]
    assert bob.heard("news") == []


def test_native_threads(site: Callable[[str], LiveServer]) -> None:
    server = site("threads")
    client = server.connect("/sensors")
    server.browser().get("/")
    assert client.expect("temperature").args == [21.5]


def test_cron(site: Callable[[str], LiveServer]) -> None:
    server = site("cron")
    client = server.connect("/news")
    job = server.browser()
    assert job.submit("/from-cron", text="forged").status == 403
    job.headers["X-Secret"] = "a long word that the job knows too"
    assert job.submit("/from-cron", text="it is noon").status == 200
    assert client.heard("news") == [["it is noon"]]
