"""What holds in every framework: its own login decides who may connect.

Each of the applications in ``apps`` is complete: a login that the framework's own session
remembers, a view (or a function) that lets in who is logged in, and a chat. The suite below is run
over each, against a real server.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from sockio import BaseNamespace
from sockio.testing import Browser

from ..support.node import Node
from ..support.servers import Served
from ..support.transcript import Transcript

__all__ = ["OVER_BOTH_KINDS", "Contract", "Visit", "load", "log_in"]

APPS = Path(__file__).parent / "apps"

OVER_BOTH_KINDS = pytest.mark.parametrize("transport", ["websocket", "xhr-polling"])

Visit = Callable[[Served], Browser]
WSGIApp = Callable[..., Iterable[bytes]]


def load(name: str, framework: str, requirement: str) -> ModuleType:
    """The application ``apps/<name>.py``, imported under that name.

    Skips where the framework is not installed. CI has to have all of them: there the test fails.
    """
    try:
        importlib.import_module(framework)
    except ImportError:
        missing = f"needs {framework}: pip install '{requirement}'"
        if os.environ.get("CI"):
            pytest.fail(f"{missing} (CI is set: it may not be skipped)")
        pytest.skip(missing)
    spec = importlib.util.spec_from_file_location(name, APPS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Flask and Django look there for the module by its name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what frameworks import: Pyramid, pkg_resources
        spec.loader.exec_module(module)
    return module


def log_in(browser: Browser, nickname: str) -> Browser:
    """Log in by the form, as everybody does. Returns the browser, with its new cookie."""
    assert browser.submit("/login", nickname=nickname).status in (200, 302, 303)
    assert browser.cookies
    return browser


class Contract:
    """The suite. Subclasses need the fixtures ``site`` (a running server) and ``pages``."""

    #: The status with which the application of the framework refuses.
    refusal: ClassVar[int]

    @pytest.fixture
    def browser(self, site: Served, visit: Visit) -> Browser:
        return visit(site)

    def request_type(self) -> type:
        """The framework's class of requests."""
        raise NotImplementedError

    # ---- who gets in

    def test_without_a_login_the_handshake_is_refused(self, site: Served, browser: Browser) -> None:
        before = len(site.registry)
        reply = browser.get("/socket.io/1/?t=1")
        assert (reply.status, reply.text) == (self.refusal, "handshake unauthorized")
        assert len(site.registry) == before

    def test_a_forged_login_is_refused(self, browser: Browser) -> None:
        log_in(browser, "ada")
        for name, value in browser.cookies.items():
            browser.cookies[name] = value[:-4] + "AAAA"
        assert browser.get("/socket.io/1/").status == self.refusal

    @pytest.mark.parametrize("path", ["/socket.io/1", "/socket.io/1/", "/socket.io/1/?t=17"])
    def test_with_a_login_the_handshake_is_accepted(self, browser: Browser, path: str) -> None:
        log_in(browser, "ada")
        reply = browser.get(path)
        assert reply.status == 200
        assert reply.text.count(":") == 3

    def test_another_site_cannot_use_the_login(self, browser: Browser) -> None:
        log_in(browser, "ada")
        reply = browser.get("/socket.io/1/", Origin="http://evil.example")
        assert (reply.status, reply.text) == (403, "handshake bad origin")

    # ---- what they can do then

    @OVER_BOTH_KINDS
    def test_an_event_is_acknowledged(self, browser: Browser, transport: str) -> None:
        client = log_in(browser, "ada").connect("/chat", transport=transport)
        assert client.call("user message", "hello") is True

    @OVER_BOTH_KINDS
    def test_handlers_know_who_logged_in(self, browser: Browser, transport: str) -> None:
        ada = log_in(browser, "ada").connect("/chat", transport=transport)
        bob = log_in(browser.another(), "bob").connect("/chat", transport=transport)
        ada.call("user message", "hello")
        assert bob.expect("user message").args == ["ada", "hello"]
        bob.call("user message", "ahoy")
        assert ada.expect("user message").args == ["bob", "ahoy"]

    def test_the_request_is_the_frameworks_own_and_outlives_its_request(
        self, site: Served, browser: Browser
    ) -> None:
        client = log_in(browser, "ada").connect("/chat", query="room=lobby")
        request = site.socket_of(client)["/chat"].request
        kind = type(request)
        assert kind is self.request_type()
        # With another request in between, which a proxy would show instead.
        browser.another().get("/?room=other")
        assert request.environ["QUERY_STRING"] == "room=lobby"

    # ---- the rest of the site

    def test_other_paths_are_the_frameworks(self, site: Served, browser: Browser) -> None:
        for path in ("/", "/nowhere", "/socket.io"):
            assert "Welcome to socket.io" not in browser.get(path).text
        assert browser.get("/socket.io/").text == "Welcome to socket.io."

    def test_namespaces_given_to_the_middleware_need_no_view(
        self, alone: None, serve: Callable[..., Served], visit: Visit, pages: WSGIApp
    ) -> None:
        class Open(BaseNamespace):
            def on_add(self, one: Any, other: Any) -> Any:
                return one + other

        site = serve(pages, {"/sums": Open})
        assert visit(site).connect("/sums").call("add", 1, 2) == 3

    @pytest.mark.e2e
    @pytest.mark.parametrize("transport", ["websocket", "xhr-polling"])
    def test_the_real_client_talks_beside_the_pages(
        self,
        alone: None,
        serve: Callable[..., Served],
        node: Node,
        pages: WSGIApp,
        transport: str,
    ) -> None:
        goodbyes = Transcript("server")

        class Open(BaseNamespace):
            def on_add(self, one: Any, other: Any) -> Any:
                self.emit("added", one, other)
                return one + other

            def recv_disconnect(self) -> None:
                goodbyes.add("goodbye")

        site = serve(pages, {"/sums": Open})
        client = node.connect(f"{site.url}/sums", transport)
        client.next("connect")
        assert client.transport == transport
        assert client.ask("add", 1, 2) == [3]
        assert client.next("added") == [1, 2]
        client.disconnect()
        goodbyes.next("goodbye")
