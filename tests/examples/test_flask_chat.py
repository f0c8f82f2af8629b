"""The Flask chat: who gets a session id and who does not, and a whole conversation on the wire."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("flask", reason="the Flask chat needs Flask")

from flask.testing import FlaskClient

from sockio.testing import Client, LiveServer

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CHAT = ROOT / "examples" / "flask_chat"
DRIVER = HERE / "chat_driver.js"
NODE_MODULES = Path(
    os.environ.get("SOCKIO_NODE_MODULES", str(ROOT / "tests" / "js" / "node_modules"))
)
SECONDS_UNTIL_HANGING = 60


def load_chat(name: str) -> ModuleType:
    """A copy of the example's module with rooms, people and a middleware of its own."""
    spec = importlib.util.spec_from_file_location(name, CHAT / "chat.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Flask looks there for the folder of its templates
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.delenv("SOCKIO_CLIENT_JS", raising=False)
    monkeypatch.delenv("SOCKIO_CLIENT_09_JS", raising=False)
    monkeypatch.setenv("SECRET_KEY", "of the tests")
    yield load_chat("flask_chat_under_test")
    del sys.modules["flask_chat_under_test"]


@pytest.fixture
def browser(chat: ModuleType) -> FlaskClient:
    """A browser with an empty cookie jar. It speaks to the whole WSGI stack, sockio included."""
    client: FlaskClient = chat.app.test_client()
    return client


def log_in(browser: FlaskClient, nickname: str) -> int:
    return browser.post("/login", data={"nickname": nickname}).status_code


# ---- Who may connect


@pytest.mark.parametrize("path", ["/socket.io/1/", "/socket.io/1"])
def test_without_a_login_the_handshake_is_refused(browser: FlaskClient, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 401
    assert answer.text == "handshake unauthorized"


@pytest.mark.parametrize("path", ["/socket.io/1/", "/socket.io/1/?t=1700000000000"])
def test_with_a_login_the_handshake_gives_a_session_id(browser: FlaskClient, path: str) -> None:
    assert log_in(browser, "ada") == 302
    answer = browser.get(path)
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    assert re.fullmatch(r"[\w-]{20,}:60:60:[\w,-]+", answer.text)
    assert "xhr-polling" in answer.text.split(":")[3].split(",")


def test_after_a_logout_the_handshake_is_refused_again(browser: FlaskClient) -> None:
    log_in(browser, "ada")
    assert browser.get("/socket.io/1/").status_code == 200
    assert browser.post("/logout").location == "/login"
    assert browser.get("/socket.io/1/").status_code == 401


def test_a_cookie_signed_with_another_key_is_no_login(chat: ModuleType) -> None:
    """What a restart with a generated SECRET_KEY does to everybody."""
    browser = chat.app.test_client()
    log_in(browser, "ada")
    chat.app.config["SECRET_KEY"] = "of the next start"
    assert browser.get("/socket.io/1/").status_code == 401


# ---- Login and page


@pytest.mark.parametrize(
    ("typed", "nickname"),
    [
        pytest.param("ada", "ada", id="plain"),
        pytest.param("  Ada   Lovelace ", "Ada Lovelace", id="spaces collapse"),
        pytest.param("Åsa 2", "Åsa 2", id="letters of any alphabet"),
        pytest.param("\u24b6da", "Ada", id="compatibility forms fold"),
        pytest.param("x" * 24, "x" * 24, id="as long as it may be"),
    ],
)
def test_a_fit_nickname_is_let_in(browser: FlaskClient, typed: str, nickname: str) -> None:
    assert log_in(browser, typed) == 302
    assert browser.get("/me").json == {"nickname": nickname}


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("", id="empty"),
        pytest.param("   ", id="blank"),
        pytest.param("x" * 25, id="too long"),
        pytest.param("\ufdfa\ufdfa", id="too long once folded"),
        pytest.param("a\u202eda", id="direction override"),
        pytest.param("a\x00da", id="control character"),
        pytest.param("\u2603", id="no letter or digit"),
    ],
)
def test_an_unfit_nickname_is_asked_for_again(browser: FlaskClient, typed: str) -> None:
    answer = browser.post("/login", data={"nickname": typed})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert browser.get("/me").status_code == 401


def test_without_a_login_the_page_leads_to_it(browser: FlaskClient) -> None:
    assert browser.get("/").location == "/login"


def test_what_was_typed_is_escaped(browser: FlaskClient) -> None:
    answer = browser.post("/login", data={"nickname": '"><script>alert(1)</script> far too long'})
    assert "<script>alert" not in answer.text


# ---- The clients of the two pages


PAGES = [
    pytest.param("/", "NEW", "/socket.io/socket.io.js", id="4.x"),
    pytest.param("/0.9", "OLD", "/client/0.9/socket.io.js", id="0.9"),
]


@pytest.mark.parametrize(("url", "name", "own"), PAGES)
def test_the_page_says_that_its_client_comes_from_a_cdn(
    chat: ModuleType, browser: FlaskClient, url: str, name: str, own: str
) -> None:
    log_in(browser, "ada")
    page = browser.get(url)
    cdn = getattr(chat, name).cdn
    assert f'src="{cdn}"' in page.text
    assert "comes from a CDN" in page.text
    assert cdn in page.headers["Content-Security-Policy"]
    assert browser.get(own).status_code == 404


@pytest.mark.parametrize(("url", "name", "own"), PAGES)
def test_the_page_uses_the_client_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, name: str, own: str
) -> None:
    for each in ("SOCKIO_CLIENT_JS", "SOCKIO_CLIENT_09_JS"):
        script = tmp_path / f"{each}.js"
        script.write_text(f"// {each}")
        monkeypatch.setenv(each, str(script))
    module = load_chat("flask_chat_with_client")
    browser = module.app.test_client()
    log_in(browser, "ada")
    page = browser.get(url)
    assert f'src="{own}"' in page.text
    assert f'src="/static/{getattr(module, name).link}"' in page.text
    assert "CDN" not in page.text
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    with browser.get(own) as client:  # closes the file it streams
        assert client.text == f"// {getattr(module, name).variable}"
        assert client.mimetype in ("text/javascript", "application/javascript")


@pytest.mark.parametrize("variable", ["SOCKIO_CLIENT_JS", "SOCKIO_CLIENT_09_JS"])
def test_a_client_that_is_not_there_is_said_at_the_start(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "/nowhere/socket.io.js")
    with pytest.raises(FileNotFoundError, match=f"{variable} .* unset it"):
        load_chat("flask_chat_without_client")


def test_a_login_leads_to_the_page_that_was_asked_for(browser: FlaskClient) -> None:
    login = browser.get("/0.9").location
    assert browser.post(login, data={"nickname": "ada"}).location == "/0.9"
    assert browser.get(login).location == "/0.9"
    assert browser.get("/login?to=//elsewhere.example").location == "/"


# ---- What another worker says: here by calling what would be called


@pytest.fixture
def live(chat: ModuleType) -> Iterator[LiveServer]:
    with LiveServer(chat.app) as server:
        yield server


def enter(live: LiveServer, nickname: str) -> Client:
    browser = live.browser()
    browser.submit("/login", nickname=nickname)
    client = browser.connect("/chat")
    client.call("join room", "lobby")
    return client


def person(nickname: str, *rooms: str, login_id: str = "9") -> dict[str, Any]:
    return {"nickname": nickname, "login_id": login_id, "rooms": list(rooms)}


def test_people_of_another_worker_come_and_go(chat: ModuleType, live: LiveServer) -> None:
    ada = enter(live, "Ada")
    chat.learn("other", [person("bob", "lobby"), person("bob", "tea")])
    assert ada.expect("joined").args == [
        {"room": "lobby", "nickname": "bob", "people": ["Ada", "bob"]}
    ]
    tea = {"name": "tea", "people": 1}
    ada.expect("rooms", [{"name": "lobby", "people": 2}, tea])
    # The same once more is no news; nor is a person who is here in two workers.
    chat.learn("other", [person("bob", "lobby"), person("bob", "tea")])
    chat.learn("third", [person("bob", "lobby")])
    chat.learn("other", None)
    assert ada.heard("joined") == ada.heard("left") == []
    ada.expect("rooms", [{"name": "lobby", "people": 2}])
    chat.learn("third", [])
    assert ada.expect("left").args == [{"room": "lobby", "nickname": "bob", "people": ["Ada"]}]


def test_a_nickname_is_taken_in_any_worker(chat: ModuleType, live: LiveServer) -> None:
    chat.learn("other", [person("Bob", "lobby")])
    taken = live.browser().submit("/login", nickname="bob")
    assert taken.status == 409
    chat.learn("other", None)
    assert enter(live, "bob").call("join room", "lobby")["people"] == ["bob"]


def test_of_two_who_took_a_nickname_at_once_the_earlier_login_stays(
    chat: ModuleType, live: LiveServer
) -> None:
    ada = enter(live, "Ada")
    chat.learn("other", [person("ada", "lobby", login_id="z: later than any")])
    assert set(ada.call("join room", "lobby")["people"]) == {"Ada", "ada"}
    chat.learn("other", [person("ada", "lobby", login_id="0: before all")])
    assert ada.expect("taken").args == ["Somebody else is online as Ada."]
    ada.expect_end()


def test_history_of_another_worker_is_put_in_order(chat: ModuleType, live: LiveServer) -> None:
    ada = enter(live, "Ada")
    said = ada.call("user message", "lobby", "here")
    elsewhere = [
        {"id": f"x{number}", "room": room, "nickname": "bob", "text": "there", "time": number}
        for number, room in [(2.0, "lobby"), (1.0, "lobby"), (3.0, "nobody is in it")]
    ]
    for _ in range(2):
        chat.remember(elsewhere)
    history = ada.call("join room", "lobby")["history"]
    assert [each["id"] for each in history] == ["x1.0", "x2.0", said["id"]]
    assert list(chat.rooms) == ["lobby"]


# ---- A conversation between real clients and a real server


@pytest.fixture
def url() -> Iterator[str]:
    """The chat as `python chat.py` serves it, on a free port."""
    environ = {
        **os.environ,
        "PORT": "0",
        # The same sockio that this process imports: the installed wheel, or the checkout.
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    environ.pop("SOCKIO_CLIENT_JS", None)
    environ.pop("SOCKIO_CLIENT_09_JS", None)
    with subprocess.Popen(
        [sys.executable, str(CHAT / "chat.py")], stderr=subprocess.PIPE, text=True, env=environ
    ) as server:
        try:
            assert server.stderr is not None
            said = server.stderr.readline()
            address = re.search(r"http://[\d.:]+", said)
            assert address, said
            yield address[0]
        finally:
            server.kill()


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.skipif(
    not (NODE_MODULES / "socket.io-client-4.8.4").is_dir(),
    reason="needs the JavaScript clients: npm install in tests/js, or set SOCKIO_NODE_MODULES",
)
@pytest.mark.parametrize(
    ("ada", "bob"),
    [
        pytest.param("0.9/websocket", "0.9/websocket", id="both on websockets"),
        pytest.param("0.9/websocket", "0.9/xhr-polling", id="one on a websocket, one polling"),
        pytest.param("0.9/xhr-polling", "0.9/xhr-polling", id="both polling"),
        pytest.param("4.x/websocket", "0.9/websocket", id="4.x and 0.9"),
        pytest.param("0.9/websocket", "4.x/polling", id="0.9 and 4.x, polling"),
        pytest.param("4.x/polling", "4.x/websocket", id="both 4.x"),
    ],
)
def test_two_people_talk(url: str, ada: str, bob: str) -> None:
    driver = subprocess.run(
        ["node", str(DRIVER), url, str(NODE_MODULES), ada, bob],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS_UNTIL_HANGING,
        check=False,
    )
    assert driver.returncode == 0, driver.stderr
    seen: dict[str, Any] = json.loads(driver.stdout)

    # Of a websocket that was refused 4.x knows nothing more.
    assert seen["stranger"].startswith("error: ")
    assert ada == "4.x/websocket" or "handshake unauthorized" in seen["stranger"]
    assert (seen["ada_login"]["status"], seen["ada_login"]["location"]) == (302, "/")
    assert seen["ada_transport"] == ada.partition("/")[2]
    assert seen["bob_transport"] == bob.partition("/")[2]

    # The lobby, and a nickname that is taken whatever its capitals.
    assert seen["ada_lobby"] == {"room": "lobby", "people": ["Ada"], "history": []}
    assert seen["taken"] == 409
    assert seen["bob_lobby"]["people"] == ["Ada", "bob"]
    assert seen["joined"] == {"room": "lobby", "nickname": "bob", "people": ["Ada", "bob"]}

    # A message: its ack to the sender, itself to the others, unchanged.
    said, heard = seen["said"], seen["heard"]
    assert heard == {"room": "lobby", "nickname": "Ada", "text": seen["text"], **said}
    assert seen["ada_heard_herself"] is False
    assert seen["typing"] == {"room": "lobby", "nickname": "bob", "active": True}

    # Refusals, the chat's own and sockio's, have one shape.
    assert seen["too_long"]["error"] == "too_long"
    assert "1001" in seen["too_long"]["message"]
    assert seen["not_in_room"]["error"] == "not_in_room"
    assert seen["not_text"]["error"] == "empty"
    assert set(seen["wrong_arity"]) == {"error", "message"}

    # Another room: made, listed, with the history for whoever comes later, and left.
    assert seen["tea"] == {"room": "tea", "people": ["bob"], "history": []}
    assert seen["rooms"] == [{"name": "lobby", "people": 2}, {"name": "tea", "people": 1}]
    assert [message["text"] for message in seen["ada_tea"]["history"]] == ["alone"]
    assert seen["ada_tea"]["people"] == ["Ada", "bob"]
    assert seen["ada_leaves_tea"] == {"room": "tea"}
    assert seen["left_tea"] == {"room": "tea", "nickname": "Ada", "people": ["bob"]}
    assert seen["leave_lobby"]["error"] == "lobby"

    # The end of a connection, and of a login.
    assert seen["left"] == {"room": "lobby", "nickname": "bob", "people": ["Ada"]}
    assert seen["rooms_after"] == [{"name": "lobby", "people": 1}]
    assert seen["logout"] == "/login"
    assert seen["thrown_out"] is True
    assert seen["free_again"] == 302
