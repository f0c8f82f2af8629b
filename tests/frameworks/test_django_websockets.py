"""Views that are websockets: routed, checked and let in by Django."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..support.generations import EACH_WAY, Way
from ..support.raw_http import get
from ..support.raw_websocket import BINARY, CONTINUATION, PING, PONG, TEXT, Frame, frame
from .django_site import Site, WebSocketClient, serving
from .django_site import start as start_program

Open = Callable[..., WebSocketClient]

SERVERS = {
    "runserver_socketio": None,
    "gunicorn -k gevent_pywsgi": [
        *(sys.executable, "-m", "gunicorn", "-k", "gevent_pywsgi", "-b", "127.0.0.1:0"),
        *("--graceful-timeout", "3", "project.wsgi"),
    ],
    "sockio's worker of gunicorn": [
        *(sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", "-k"),
        *("sockio.integrations.gunicorn_worker.GeventSocketIOWorker", "project.wsgi"),
    ],
    "gevent-websocket": [sys.executable, "gevent_websocket_server.py"],
}


@pytest.fixture(scope="module", params=SERVERS)
def any_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    command = SERVERS[request.param]
    with serving(command=command) if command else serving("--noreload") as site:
        yield site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    settings = {"heartbeat_interval": 0.3, "heartbeat_timeout": 0.6, "max_payload": 100_000}
    with serving("--noreload", settings=settings) as site:
        yield site


@pytest.fixture
def open_one() -> Iterator[Open]:
    opened: list[WebSocketClient] = []

    def open_one(site: Site, path: str, **headers: str | None) -> WebSocketClient:
        opened.append(WebSocketClient(site, path, **headers))
        return opened[-1]

    yield open_one
    for client in opened:
        client.close()


def cookies(site: Site, nickname: str) -> str:
    found = site.visit(nickname).cookies
    return "; ".join(f"{name}={value}" for name, value in found.items())


def frames_of(client: WebSocketClient) -> list[Frame]:
    """What still comes until the end of the connection."""
    frames = []
    with contextlib.suppress(EOFError, ConnectionResetError):
        while True:
            frames.append(client.read_frame())
    return frames


# ---- On each server


def test_dw01_dw03_one_application_serves_pages_and_websockets(
    any_site: Site, open_one: Open
) -> None:
    echo = open_one(any_site, "/echo")
    assert echo.upgrade.code == 101
    for text in ("hello", "", "Grüße ☃ 🎈", "x" * 70_000):
        echo.say(text)
        assert echo.hear() == text
    assert any_site.visit().get("/").status == 200
    echo.send_close(1000)
    assert echo.closing() == 1000


def test_dw02_dw03_the_view_knows_the_user_and_a_decorator_refuses(
    any_site: Site, open_one: Open
) -> None:
    private = open_one(any_site, "/private", Cookie=cookies(any_site, "ada"))
    assert (private.hear(), private.hear()) == ("ada", "True")
    assert private.read_frame().code == 1000
    stranger = open_one(any_site, "/private")
    if stranger.upgrade.code == 101:
        # gevent-websocket has upgraded before anybody could ask; it ends then, unheard.
        assert TEXT not in [each.opcode for each in frames_of(stranger)]
    else:
        assert stranger.upgrade.code == 302
        assert stranger.upgrade.headers["location"].startswith("/login")


def test_dw04_dw05_it_can_be_polled_beside_other_things(any_site: Site, open_one: Open) -> None:
    polls = open_one(any_site, "/polls")
    assert polls.hear() == "nothing False"
    polls.send(frame(TEXT, "one") + frame(TEXT, "two") + frame(TEXT, "three"))
    assert polls.hear() == "one 2"
    assert polls.hear() == "no message within 0.05 s; True"


@EACH_WAY
def test_clients_of_every_generation_meet_beside_them(any_site: Site, way: Way) -> None:
    client = any_site.visit("ada").connect("/rooms", **way)
    assert client.call("whoami") == ["ada", True]
    assert any_site.visit("root").submit("/announce", text="fire drill").status == 200
    assert client.expect("announcement").args == ["fire drill"]


def test_a_server_that_is_told_to_end_ends(any_site: Site, open_one: Open) -> None:
    # The last test of each server: a view that waits does not keep it.
    echo = open_one(any_site, "/echo")
    any_site.program.terminate()
    codes = [each.code for each in frames_of(echo)]
    any_site.program.wait()
    # The program with gevent-websocket's handler takes no heed of the signal, which kills it.
    assert codes == ([] if "gevent_websocket" in any_site.program.said.title else [1001])


# ---- Decorators


def test_django_websockets_decorators(site: Site, open_one: Open) -> None:
    """django-websocket's ``require_websocket`` and ``accept_websocket``."""
    once = open_one(site, "/old-echo")
    once.say("hello")
    assert once.hear() == "hello"
    assert once.closing() == 1000
    lower = open_one(site, "/lower")
    lower.say("HELLO")
    assert lower.hear() == "hello"
    page = get(site.port, "/lower?message=HELLO")
    assert (page.code, page.body) == (200, "hello")
    needs = get(site.port, "/old-echo")
    assert (needs.code, "proxy" in needs.body) == (400, True)


def test_dw02_pages_and_websockets_have_routes_of_their_own(site: Site) -> None:
    """``WEBSOCKET_URLCONF``: a page is not found where a websocket is."""
    assert get(site.port, "/echo").code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Origin": "http://evil.example"}, 403, id="another site"),
        pytest.param({"Sec_WebSocket_Key": None}, 400, id="no key"),
        pytest.param({"Sec_WebSocket_Version": "99"}, 426, id="an unknown version"),
    ],
)
def test_a_bad_upgrade_is_refused_before_it(
    site: Site, open_one: Open, headers: dict[str, str | None], status: int
) -> None:
    assert open_one(site, "/echo", **headers).upgrade.code == status


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("echo.v1", "echo.v1"), ("other, echo.v1, echo.v2", "echo.v2"), ("other", None), ("", None)],
)
def test_a_subprotocol_is_agreed_on(
    site: Site, open_one: Open, asked: str, answered: str | None
) -> None:
    upgrade = open_one(site, "/echo", Sec_WebSocket_Protocol=asked).upgrade
    assert upgrade.headers.get("sec-websocket-protocol") == answered


# ---- On the wire


def test_binary_and_fragments(site: Site, open_one: Open) -> None:
    echo = open_one(site, "/echo")
    echo.send(frame(BINARY, b"\x00\xff"))
    assert echo.read_frame()[:2] == (BINARY, b"\x00\xff")
    echo.send(frame(TEXT, "one ", fin=False) + frame(PING, b"!") + frame(CONTINUATION, "two"))
    assert echo.read_frame()[:2] == (PONG, b"!")
    assert echo.hear() == "one two"


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        pytest.param(frame(TEXT, b"\xff\xfe"), 1007, "message-not-utf-8", id="no UTF-8"),
        pytest.param(
            frame(TEXT, declared=200_000), 1009, "message-too-large", id="longer than max_payload"
        ),
        pytest.param(frame(TEXT, "unmasked", mask=False), 1002, "bad-frame", id="unmasked"),
        pytest.param(frame(0x3, "?"), 1002, "bad-frame", id="an opcode that is none"),
    ],
)
def test_who_breaks_the_protocol_is_told_so(
    site: Site, open_one: Open, data: bytes, code: int, line: str
) -> None:
    echo = open_one(site, "/echo")
    echo.send(data)
    assert echo.closing() == code
    site.program.tells(rf"(of 127\.0\.0\.1 is closed \({code}\): its client sent .*\[{line}\])")


def test_a_view_that_fails_closes_with_1011(site: Site, open_one: Open) -> None:
    failing = open_one(site, "/raises")
    failing.say("now")
    assert failing.closing() == 1011
    site.program.tells("(RuntimeError: in a websocket view)")


def test_a_peer_that_is_silent_is_asked_and_then_given_up(site: Site, open_one: Open) -> None:
    alive, dead = open_one(site, "/echo"), open_one(site, "/echo")
    for _ in range(2):
        assert alive.read_frame().opcode == PING
        alive.send(frame(PONG))
    assert dead.read_frame().opcode == PING
    assert dead.at_end()


def test_p4_a_websocket_keeps_no_database_connection(site: Site, open_one: Open) -> None:
    """Who the visitor is was looked up at its beginning, and it lasts."""
    cookie = cookies(site, "ada")
    before = site.open_database_files()
    lasting = [open_one(site, "/echo", Cookie=cookie) for _ in range(4)]
    for client in lasting:
        client.say("hello")
        assert client.hear() == "hello"
    assert site.open_database_files() == before


def test_the_end_of_the_server_is_1001() -> None:
    with serving("--noreload") as site:
        echo = WebSocketClient(site, "/echo")
        site.program.terminate()
        assert echo.closing() == 1001
        assert site.program.wait() == 0
        echo.close()


# ---- Where it cannot work


def test_djangos_own_runserver_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "runserver", "--noreload", "127.0.0.1:0"]
    with start_program(command, WSGI_APPLICATION="project.unwrapped.application") as program:
        site = Site(program)
        page = site.visit().get("/socket.io/1/")
        assert page.status == 500
        assert "get_wsgi_application()" in page.text
        refused = WebSocketClient(site, "/echo")
        assert refused.upgrade.code == 500
        refused.close()
        site.close()


# ---- In templates


def test_dw06_ds16_template_tags(site: Site) -> None:
    page = site.visit().get("/").text
    assert f'data-echo="ws://127.0.0.1:{site.port}/echo"' in page
    assert f'data-chat="ws://127.0.0.1:{site.port}/chat/tea/"' in page
    assert '<script src="/static/rooms/socket.io.js"></script>' in page
    assert 'src="/static/sockio/channels.js" data-resource="socket.io" data-url=""' in page
