"""The public server and browser: logins, clocks, threads that were never patched."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from webob import Request, Response

from sockio import BaseNamespace, SocketIOMiddleware, UsageError, socketio_manage
from sockio.sessions.crowd import Crowd
from sockio.testing import Browser, LiveServer, ManualRuntime, NothingCame, Refused


class Who(BaseNamespace):
    def on_who(self) -> str:
        return str(self.request.cookies["who"])


def site(environ: dict[str, Any], start_response: Any) -> Any:
    """Whoever has said who they are may connect."""
    request = Request(environ)
    response = Response("a page", content_type="text/plain")
    if request.path == "/login":
        response.set_cookie("who", str(request.params["who"]), httponly=True)
    elif request.path == "/logout":
        response.delete_cookie("who")
    elif request.path.startswith("/socket.io/"):
        if "who" not in request.cookies:
            response.status = 401
        else:
            socketio_manage(environ, {"/who": Who}, request)
    return response(environ, start_response)


def test_a_browser_logs_in_and_its_clients_have_its_cookies() -> None:
    with LiveServer(site) as server:
        ada, bob = server.browser(), server.browser()
        with pytest.raises(Refused) as refused:
            ada.connect("/who")
        assert refused.value.status == 401
        ada.submit("/login", who="ada")
        bob.submit("/login", who="bob")
        assert ada.connect("/who").call("who") == "ada"
        assert bob.connect("/who", transport="xhr-polling").call("who") == "bob"
        ada.get("/logout")
        with pytest.raises(Refused):
            ada.connect("/who")


def test_a_browser_has_an_origin() -> None:
    with LiveServer(namespaces={"": Who}) as server, Browser(server.url) as browser:
        assert browser.get("/page").text == "app:/page"
        browser.headers["Origin"] = "http://elsewhere.example"
        with pytest.raises(Refused) as refused:
            browser.connect()
        assert (refused.value.status, refused.value.code) == (403, "origin-not-allowed")


def test_a_browser_survives_a_server_that_closes_kept_connections() -> None:
    with LiveServer() as server:
        browser = server.browser()
        assert browser.get("/one").status == 200
        assert browser.get("/two", Connection="close").status == 200
        assert browser.get("/three").status == 200


def test_the_clock_moves_by_hand(sockio_clock: ManualRuntime) -> None:
    with LiveServer(namespaces={"": Who}, runtime=sockio_clock) as server:
        away = server.connect(transport="xhr-polling")
        away.drop()
        here = server.connect()
        # Sixty seconds without a poll; the other one answers its heartbeats.
        for _ in range(6):
            sockio_clock.advance(10)
            here.sync()
        assert list(server.registry.sockets) == [here.sid]


def test_the_clock_of_a_middleware_that_exists_cannot_be_replaced() -> None:
    with pytest.raises(UsageError, match=r"SocketIOMiddleware\(app, \.\.\., runtime=runtime\)"):
        LiveServer(SocketIOMiddleware(site), runtime=ManualRuntime())


def test_a_session_in_a_wrong_index_fails_the_test() -> None:
    def misfile(server: LiveServer) -> None:
        with server:
            server.registry._crowds["nobody's"] = Crowd("somebody's")

    with pytest.raises(AssertionError):
        misfile(LiveServer(namespaces={"": Who}))


def test_a_middleware_inside_of_others_is_found_and_they_see_its_requests() -> None:
    middleware = SocketIOMiddleware(site)
    seen = []

    def proxied(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(environ["PATH_INFO"].rpartition("/")[0])
        return middleware(environ, start_response)

    with LiveServer(proxied) as server:
        assert server.middleware is middleware
        ada = server.browser()
        ada.submit("/login", who="ada")
        assert ada.connect("/who").call("who") == "ada"
    assert "/socket.io" in seen


def test_waiting_in_vain_says_for_what() -> None:
    with LiveServer() as server, pytest.raises(NothingCame, match="pigs fly"):
        server.wait_until(lambda: False, "pigs fly", timeout=0.01)


def test_nothing_has_to_be_patched() -> None:
    """In a process of its own: this one is."""
    program = """
        from gevent import monkey
        from sockio import BaseNamespace
        from sockio.testing import TRANSPORTS, LiveServer

        class Sums(BaseNamespace):
            def on_add(self, one, other):
                return one + other

        with LiveServer(namespaces={"/sums": Sums}, transports=TRANSPORTS) as server:
            for transport in TRANSPORTS:
                assert server.connect("/sums", transport=transport).call("add", 1, 2) == 3
        assert not monkey.is_module_patched("socket")
        print("done")
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.returncode) == ("done\n", 0), ran.stderr


def test_the_plugin_is_there_for_those_who_ask(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["sockio.testing.pytest_plugin"]\n')
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent(
            """
            from sockio import BaseNamespace

            class Sums(BaseNamespace):
                def on_add(self, one, other):
                    return one + other

            def test_sums(sockio_serve, sockio_transport, sockio_clock):
                server = sockio_serve(
                    namespaces={"/sums": Sums}, transports=[sockio_transport], runtime=sockio_clock
                )
                assert server.connect("/sums", transport=sockio_transport).call("add", 1, 2) == 3
            """
        )
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert "6 passed" in ran.stdout, ran.stdout + ran.stderr


def test_nobody_gets_the_plugin_unasked() -> None:
    of_ours = [
        entry
        for entry in metadata.entry_points(group="pytest11")
        if entry.value.split(".")[0] == "sockio"
    ]
    assert of_ours == []


class Generation(BaseNamespace):
    def on_which(self) -> list[str]:
        query = self.environ["QUERY_STRING"]
        return [self.environ["PATH_INFO"], *(part for part in query.split("&") if "EIO" in part)]


@pytest.mark.parametrize(
    ("of_the_server", "given", "generation"),
    [
        pytest.param("", {}, ["/socket.io/", "EIO=4"], id="says nothing"),
        pytest.param("", {"transport": "polling"}, ["/socket.io/", "EIO=4"], id="a transport"),
        pytest.param("", {"transport": "xhr-polling"}, ["/socket.io/1/"], id="one of 0.9's"),
        pytest.param("", {"generation": "eio3"}, ["/socket.io/", "EIO=3"], id="says it"),
        pytest.param("0.9", {}, ["/socket.io/1/"], id="the server says it"),
        pytest.param("0.9", {"generation": "eio4"}, ["/socket.io/", "EIO=4"], id="both do"),
    ],
)
def test_a_client_is_of_4_unless_something_says_otherwise(
    of_the_server: str, given: dict[str, Any], generation: list[str]
) -> None:
    with LiveServer(namespaces={"/which": Generation}, generation=of_the_server) as server:
        for browser in (server.browser(), server.browser().another()):
            assert browser.connect("/which", **given).call("which") == generation
