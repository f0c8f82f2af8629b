"""The chat of examples/flask_chat as two people see it, each with cookies of their own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..support.servers import Served
from .remote import CLIENT_JS, NEW_CLIENT_JS, Browser, Tab

pytestmark = pytest.mark.browser

CHAT = Path(__file__).parents[2] / "examples" / "flask_chat" / "chat.py"


@pytest.fixture
def server(serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The chat with rooms and people of its own."""
    monkeypatch.setenv("SOCKIO_CLIENT_JS", str(NEW_CLIENT_JS))
    monkeypatch.setenv("SOCKIO_CLIENT_09_JS", str(CLIENT_JS))
    spec = importlib.util.spec_from_file_location("flask_chat_in_the_browser", CHAT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Flask looks there for the folder of its templates
    spec.loader.exec_module(module)
    yield serve(module.app)
    del sys.modules[spec.name]


#: The two pages, by their clients.
NEW, OLD = "/", "/0.9"

#: Where two people are: the page and the transport of each.
PAIRS = [
    pytest.param((OLD, "websocket"), (OLD, "websocket"), id="0.9 websocket"),
    pytest.param((OLD, "xhr-polling"), (OLD, "xhr-polling"), id="0.9 xhr-polling"),
    pytest.param((OLD, "jsonp-polling"), (OLD, "jsonp-polling"), id="0.9 jsonp-polling"),
    pytest.param((NEW, "websocket"), (NEW, "websocket"), id="4.x websocket"),
    pytest.param((NEW, "polling"), (NEW, "polling"), id="4.x polling"),
    pytest.param((NEW, "websocket"), (OLD, "websocket"), id="4.x and 0.9 websocket"),
    pytest.param((NEW, "polling"), (OLD, "xhr-polling"), id="4.x and 0.9 polling"),
]


def log_in(
    browser: Browser,
    server: Served,
    nickname: str,
    place: tuple[str, str],
    *,
    known: bool = False,
) -> Tab:
    page, transport = place
    tab = browser.open(f"{server.url}{page}", visitor=nickname)
    if not known:
        tab.do("fill", "#nickname", nickname)
        tab.do("press", "#nickname", "Enter")
    # Until it has gone over: of a page that leaves before that, nothing may be left to tell it.
    tab.wait_for('#connection[data-state=online]:has-text("over websocket")')
    tab.do("goto", f"{server.url}{page}?transport={transport}")
    tab.wait_for(f'#connection[data-state=online]:has-text("over {transport}")')
    return tab


def write(tab: Tab, text: str) -> None:
    tab.do("fill", "#text", text)
    tab.do("press", "#text", "Enter")
    tab.wait_for(f'.message.own[data-state=sent] .text:text-is("{text}")')


def sees(tab: Tab, author: str, text: str) -> None:
    tab.wait_for(f'.message:has(.author:text-is("{author}")) .text:text-is("{text}")')


@pytest.mark.parametrize(("of_ada", "of_bob"), PAIRS)
def test_two_people_talk(
    browser: Browser, server: Served, of_ada: tuple[str, str], of_bob: tuple[str, str]
) -> None:
    ada = log_in(browser, server, "Ada", of_ada)
    bob = log_in(browser, server, "bob", of_bob)
    ada.wait_for('.system:has-text("bob joined")')

    write(ada, "Grüße, 🎈 </script>")
    sees(bob, "Ada", "Grüße, 🎈 </script>")
    write(bob, "<b>hello</b>")
    sees(ada, "bob", "<b>hello</b>")
    bob.do("fill", "#text", "still writ")
    ada.wait_for('#typing:has-text("bob is typing")')

    # A page that goes away is gone for the others at once, over each transport.
    bob.leave()
    ada.wait_for('.system:has-text("bob left")')
    assert ada.heard("page error") == bob.heard("page error") == []
    problems = [text for kind, text in ada.heard("console") if kind in ("error", "warning")]
    assert problems == []


def test_a_page_of_4_x_goes_over_to_a_websocket(browser: Browser, server: Served) -> None:
    tab = browser.open(f"{server.url}{NEW}", visitor="Ada")
    tab.do("fill", "#nickname", "Ada")
    tab.do("press", "#nickname", "Enter")
    tab.wait_for('#connection[data-state=online]:has-text("over websocket")')


def test_the_pages_lead_to_each_other(browser: Browser, server: Served) -> None:
    tab = log_in(browser, server, "Ada", (NEW, "websocket"))
    for client in ("0.9", "4.x"):
        tab.do("click", "#other-page")
        tab.wait_for(f'#clients:has-text("Client {client}.")')
        tab.wait_for("#connection[data-state=online]")


@pytest.mark.parametrize("page", [NEW, OLD])
def test_a_logout_in_another_tab_ends_the_connection(
    browser: Browser, server: Served, page: str
) -> None:
    tab = log_in(browser, server, "Ada", (page, "websocket"))
    other = log_in(browser, server, "Ada", (page, "websocket"), known=True)
    other.do("click", "text=Log out")
    # Whether the cookie is gone by then is a matter of who is faster.
    tab.wait_for("#connection[data-state=offline]")
    tab.wait_for("#banner-login")


@pytest.mark.parametrize("path", ["1/", "?EIO=4&transport=polling"])
def test_without_a_login_there_is_no_socket(browser: Browser, server: Served, path: str) -> None:
    tab = browser.open(f"{server.url}/login")
    status = tab.evaluate(f"() => fetch('/socket.io/{path}').then((answer) => answer.status)")
    assert status == 401
