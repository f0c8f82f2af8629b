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
from sockio.testing import Browser, Client, Refused

from ..support.generations import EACH_WAY, FIRST_REQUESTS, LATER_WAYS, Way, ways
from ..support.node import LATER, Node
from ..support.servers import Served
from ..support.transcript import Transcript

__all__ = ["Contract", "Visit", "load", "log_in"]

APPS = Path(__file__).parent / "apps"

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

    #: The status with which the application of the framework refuses, and how that is logged.
    refusal: ClassVar[int]
    refusal_code: ClassVar[str] = "view-refused"

    @pytest.fixture
    def browser(self, site: Served, visit: Visit) -> Browser:
        return visit(site)

    def request_type(self) -> type:
        """The framework's class of requests."""
        raise NotImplementedError

    def query_of(self, request: Any) -> str:
        query: str = request.environ["QUERY_STRING"]
        return query

    # ---- who gets in

    def refused(self, browser: Browser, way: Way, **headers: str) -> Refused:
        with pytest.raises(Refused) as refused:
            browser.connect("/chat", headers=headers, **way)
        return refused.value

    @FIRST_REQUESTS
    def test_without_a_login_the_handshake_is_refused(
        self, site: Served, browser: Browser, way: Way
    ) -> None:
        before = len(site.registry)
        refused = self.refused(browser, way)
        assert (refused.status, refused.code) == (self.refusal, self.refusal_code)
        assert refused.text == "handshake unauthorized"
        assert len(site.registry) == before

    @FIRST_REQUESTS
    def test_a_forged_login_is_refused(self, browser: Browser, way: Way) -> None:
        log_in(browser, "ada")
        for name, value in browser.cookies.items():
            browser.cookies[name] = value[:-4] + "AAAA"
        assert self.refused(browser, way).status == self.refusal

    @pytest.mark.parametrize("path", ["/socket.io/1", "/socket.io/1/", "/socket.io/1/?t=17"])
    def test_with_a_login_the_handshake_is_accepted(self, browser: Browser, path: str) -> None:
        log_in(browser, "ada")
        reply = browser.get(path)
        assert reply.status == 200
        assert reply.text.count(":") == 3

    @pytest.mark.parametrize("slash", ["", "/"])
    @pytest.mark.parametrize("revision", [3, 4])
    def test_so_is_that_of_later_clients(self, browser: Browser, slash: str, revision: int) -> None:
        """Whose setting ``addTrailingSlash`` there is."""
        log_in(browser, "ada")
        reply = browser.get(f"/socket.io{slash}?EIO={revision}&transport=polling")
        assert reply.status == 200
        assert '"sid":"' in reply.text

    @FIRST_REQUESTS
    def test_another_site_cannot_use_the_login(self, browser: Browser, way: Way) -> None:
        log_in(browser, "ada")
        refused = self.refused(browser, way, Origin="http://evil.example")
        assert (refused.status, refused.code) == (403, "origin-not-allowed")

    # ---- what they can do then

    @EACH_WAY
    def test_an_event_is_acknowledged(self, browser: Browser, way: Way) -> None:
        client = log_in(browser, "ada").connect("/chat", **way)
        assert client.call("user message", "hello") is True

    def test_handlers_know_who_logged_in(self, browser: Browser) -> None:
        """And clients of every generation are among each other, however they are carried."""
        people: dict[str, Client] = {}
        for each in ways():
            visitor = log_in(browser.another(), each.id)
            people[each.id] = visitor.connect("/chat", **each.values[0])
        for name, client in people.items():
            client.call("user message", f"I am {name}")
        for name, client in people.items():
            others = [[other, f"I am {other}"] for other in people if other != name]
            assert client.heard("user message") == others

    @EACH_WAY
    def test_the_request_is_the_frameworks_own_and_outlives_its_request(
        self, site: Served, browser: Browser, way: Way
    ) -> None:
        client = log_in(browser, "ada").connect("/chat", query="room=lobby", **way)
        request = site.socket_of(client)["/chat"].request
        kind = type(request)
        assert kind is self.request_type()
        # With another request in between, which a proxy would show instead.
        browser.another().get("/?room=other")
        assert "room=lobby" in self.query_of(request).split("&")

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

        browser = visit(serve(pages, {"/sums": Open}))
        for each in ways():
            assert browser.connect("/sums", **each.values[0]).call("add", 1, 2) == 3

    @pytest.mark.e2e
    def test_the_real_clients_talk_beside_the_pages(
        self, alone: None, serve: Callable[..., Served], node: Node, pages: WSGIApp
    ) -> None:
        goodbyes = Transcript("server")

        class Open(BaseNamespace):
            def on_add(self, one: Any, other: Any) -> Any:
                self.emit("added", one, other)
                return one + other

            def recv_disconnect(self) -> None:
                goodbyes.add("goodbye")

        site = serve(pages, {"/sums": Open})
        for transport in ("websocket", "xhr-polling"):
            client = node.connect(f"{site.url}/sums", transport)
            client.next("connect")
            assert client.transport == transport
            assert client.ask("add", 1, 2) == [3]
            assert client.next("added") == [1, 2]
            client.disconnect()
            goodbyes.next("goodbye")
        for version in LATER:
            for transports in LATER_WAYS.values():
                client = node.arrive(version, f"{site.url}/sums", transports)
                assert client.ask("add", 1, 2) == [3]
                assert client.next("added") == [1, 2]
                client.disconnect()
                goodbyes.next("goodbye")
