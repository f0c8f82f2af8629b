"""The chat of examples/flask_chat as two people see it, each with cookies of their own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..support.servers import Served
from .remote import CLIENT_JS, Browser, Tab

pytestmark = pytest.mark.browser

CHAT = Path(__file__).parents[2] / "examples" / "flask_chat" / "chat.py"


@pytest.fixture
def server(serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The chat with rooms and people of its own."""
    monkeypatch.setenv("SOCKIO_CLIENT_JS", str(CLIENT_JS))
    spec = importlib.util.spec_from_file_location("flask_chat_in_the_browser", CHAT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Flask looks there for the folder of its templates
    spec.loader.exec_module(module)
    yield serve(module.app)
    del sys.modules[spec.name]


def log_in(browser: Browser, server: Served, nickname: str, transport: str) -> Tab:
    tab = browser.open(f"{server.url}/", visitor=nickname)
    tab.do("fill", "#nickname", nickname)
    tab.do("press", "#nickname", "Enter")
    tab.wait_for("#composer")
    tab.do("goto", f"{server.url}/?transport={transport}")
    tab.wait_for(f'#connection[data-state=online]:has-text("over {transport}")')
    return tab


def write(tab: Tab, text: str) -> None:
    tab.do("fill", "#text", text)
    tab.do("press", "#text", "Enter")
    tab.wait_for(f'.message.own[data-state=sent] .text:text-is("{text}")')


def sees(tab: Tab, author: str, text: str) -> None:
    tab.wait_for(f'.message:has(.author:text-is("{author}")) .text:text-is("{text}")')


def test_two_people_talk(browser: Browser, server: Served, transport: str) -> None:
    ada = log_in(browser, server, "Ada", transport)
    bob = log_in(browser, server, "bob", transport)
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


def test_without_a_login_there_is_no_socket(browser: Browser, server: Served) -> None:
    tab = browser.open(f"{server.url}/login")
    status = tab.evaluate("() => fetch('/socket.io/1/').then((answer) => answer.status)")
    assert status == 401
