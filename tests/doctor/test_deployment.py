"""``sockio doctor --url``: what is wrong with a server that is running, seen through its proxy."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from typing import Any

import gevent
import pytest
from gevent.pywsgi import WSGIServer

from sockio import BaseNamespace, SocketIOMiddleware, UsageError
from sockio.cli import main
from sockio.doctor import Finding, examine_url
from sockio.testing import LiveServer

from ..support.proxy import cable_to
from ..support.servers import not_ours

HOP_BY_HOP = {"connection", "upgrade", "transfer-encoding", "keep-alive", "content-length", "date"}

Look = Callable[..., dict[str, Finding]]


class Proxy:
    """A proxy as administrators leave them: it speaks plain HTTP, and answers when it has the whole
    answer. Requests go to the ``ports`` in turn."""

    def __init__(self, *ports: int, keep_host: bool = True, patience: float = 20.0) -> None:
        self._ports = itertools.cycle(ports)
        self._keep_host = keep_host
        self._patience = patience
        self._server = WSGIServer(("127.0.0.1", 0), self._answer, log=None, error_log=None)
        self._server.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.stop(timeout=0)

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        headers = {
            name[5:].replace("_", "-").title(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        sent = {k: v for k, v in headers.items() if k.lower() not in HOP_BY_HOP}
        if not self._keep_host:
            sent.pop("Host", None)
        if environ.get("CONTENT_TYPE"):
            sent["Content-Type"] = environ["CONTENT_TYPE"]
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size) if size else b""
        path = environ["PATH_INFO"] + (f"?{q}" if (q := environ.get("QUERY_STRING")) else "")
        upstream = HTTPConnection("127.0.0.1", next(self._ports), timeout=self._patience)
        try:
            upstream.request(environ["REQUEST_METHOD"], path, body, sent)
            answer = upstream.getresponse()
            data = answer.read()
        except (OSError, HTTPException):
            # Too late, or the server has just ended.
            start_response("504 Gateway Timeout", [("Content-Type", "text/plain")])
            return [b"too slow"]
        finally:
            upstream.close()
        told = [(k, v) for k, v in answer.getheaders() if k.lower() not in HOP_BY_HOP]
        start_response(f"{answer.status} {answer.reason}", told)
        return [data]


@pytest.fixture
def proxy() -> Iterator[Callable[..., Proxy]]:
    """Put a proxy in front: ``proxy(server.port, ...)``."""
    running: list[Proxy] = []

    def start(*ports: int, **manners: Any) -> Proxy:
        running.append(Proxy(*ports, **manners))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def site(sockio_serve: Callable[..., LiveServer]) -> LiveServer:
    return sockio_serve(namespaces={"/chat": BaseNamespace})


def look_at(url: str, headers: dict[str, str] | None = None, **options: Any) -> dict[str, Finding]:
    options.setdefault("timeout", 0.5)
    return {each.code: each for each in examine_url(url, headers, **options)}


def levels(found: dict[str, Finding], *codes: str) -> list[str]:
    return [found[code].level for code in codes]


def test_a_good_deployment_is_well(site: LiveServer) -> None:
    found = look_at(site.url, timeout=5, idle=0.05)
    assert {each.level for each in found.values()} == {"ok"}, found
    assert found.keys() == {
        "reached",
        "handshake",
        "later-clients",
        "sessions-found",
        "websocket",
        "upgrade",
        "polling",
        "streaming",
        "idle",
    }


def test_it_leaves_next_to_nothing_behind(site: LiveServer) -> None:
    look_at(site.url, timeout=5)
    # What it never opened, handshakes only, ends by itself.
    site.wait_until(lambda: len(site.registry) <= 4, "the sessions have ended")


def test_a_proxy_that_knows_only_plain_http(site: LiveServer, proxy: Callable[..., Proxy]) -> None:
    found = look_at(proxy(site.port, patience=5).url)
    assert found["upgrade-removed"].level == "problem"
    assert "no-upgrade" in found["upgrade-removed"].text
    assert "proxy_set_header Upgrade" in found["upgrade-removed"].fix
    assert "websocket" not in found
    assert found["streaming-held-back"].level == "warning"
    assert "proxy_buffering off" in found["streaming-held-back"].fix
    # Whole answers are all that polling needs.
    assert found["polling"].level == "ok"


def test_a_proxy_that_hides_the_name_of_the_site(
    site: LiveServer, proxy: Callable[..., Proxy]
) -> None:
    found = look_at(proxy(site.port, keep_host=False).url)
    assert found["origin-lost"].level == "problem"
    assert "proxy_set_header Host" in found["origin-lost"].fix
    # What else is wrong is said all the same.
    assert levels(found, "upgrade-removed", "streaming-held-back") == ["problem", "warning"]
    assert levels(found, "handshake", "polling") == ["ok", "ok"]


def test_several_processes_behind_one_address(
    sockio_serve: Callable[..., LiveServer], proxy: Callable[..., Proxy]
) -> None:
    one, other = (sockio_serve(namespaces={"": BaseNamespace}) for _ in range(2))
    found = look_at(proxy(one.port, other.port).url)
    assert found["session-lost"].level == "problem"
    assert "SOCKIO_MESH" in found["session-lost"].fix


def test_a_proxy_that_cuts_what_is_idle(site: LiveServer) -> None:
    with cable_to(site.port) as cable:
        cutting = gevent.spawn(_cut_what_stays, cable)
        found = look_at(cable.url, idle=5)
        cutting.kill()
    assert found["idle-cut"].level == "problem"
    assert "proxy_read_timeout" in found["idle-cut"].fix


def _cut_what_stays(cable: Any) -> None:
    """Cut the connections that have been there for a while."""
    known: set[Any] = set()
    while True:
        gevent.sleep(0.5)
        if known & cable._ends:
            cable.cut()
        known = set(cable._ends)


def test_a_site_that_lets_everybody_in(sockio_serve: Callable[..., LiveServer]) -> None:
    site = sockio_serve(namespaces={"": BaseNamespace}, origins="*")
    assert look_at(site.url)["foreign-origin"].level == "warning"


def test_a_site_that_wants_a_login(sockio_serve: Callable[..., LiveServer]) -> None:
    def has_cookie(request: Any) -> bool:
        return bool(request.cookies.get("who") == "ada")

    site = sockio_serve(namespaces={"/chat": BaseNamespace}, authorize=has_cookie)
    found = look_at(site.url)
    assert found["handshake-refused"].level == "note"
    assert "--header 'Cookie" in found["handshake-refused"].fix
    found = look_at(site.url, {"Cookie": "who=ada"}, timeout=5)
    assert {found[code].level for code in ("handshake", "websocket", "polling")} == {"ok"}


def test_a_global_namespace_that_is_not_for_everybody(
    sockio_serve: Callable[..., LiveServer],
) -> None:
    class Closed(BaseNamespace):
        def recv_connect(self) -> bool:
            return False

    found = look_at(sockio_serve(namespaces={"": Closed}).url)
    assert found["websocket"].level == "ok"
    assert all(each.level == "ok" for each in found.values()), found


def test_transports_that_are_not_offered(sockio_serve: Callable[..., LiveServer]) -> None:
    site = sockio_serve(namespaces={"": BaseNamespace}, transports="xhr-polling")
    found = look_at(site.url)
    assert found["no-websocket"].level == "warning"
    assert "streaming" not in found


@pytest.mark.parametrize(
    ("generations", "said"),
    [
        pytest.param("0.9 eio3 eio4", "0.7 to 0.9 are served; clients 3.x and 4.x, 1.x", id="all"),
        pytest.param("0.9", "0.7 to 0.9 are served", id="0.9 alone"),
    ],
)
def test_who_is_served(
    sockio_serve: Callable[..., LiveServer], generations: str, said: str
) -> None:
    site = sockio_serve(namespaces={"": BaseNamespace}, generations=generations)
    found = look_at(site.url, timeout=5)
    assert levels(found, "later-clients") == ["ok"]
    assert said in found["later-clients"].text


def said_of(url: str, clients: str, **options: Any) -> dict[str, Finding]:
    """What is said of the clients of one generation."""
    options.setdefault("timeout", 5)
    found = examine_url(url, **options)
    return {each.code: each for each in found if each.text.startswith(f"clients {clients}: ")}


LATER = pytest.mark.parametrize(
    ("generation", "clients"), [("eio3", "1.x and 2.x"), ("eio4", "3.x and 4.x")]
)


@pytest.mark.parametrize("clients", ["1.x and 2.x", "3.x and 4.x"])
def test_each_generation_is_tried_over_each_transport(site: LiveServer, clients: str) -> None:
    found = said_of(site.url, clients)
    assert found.keys() - {"sessions-found"} == {"polling", "websocket", "upgrade"}
    assert {each.level for each in found.values()} == {"ok"}


@LATER
def test_a_server_for_later_clients_alone(
    sockio_serve: Callable[..., LiveServer], generation: str, clients: str
) -> None:
    site = sockio_serve(namespaces={"": BaseNamespace}, generations=generation)
    found = look_at(site.url, timeout=5, idle=0.05)
    assert {each.level for each in found.values()} == {"ok"}, found
    assert f"of clients {clients}; those of 0.7 to 0.9 are not" in found["handshake"].text
    assert found["later-clients"].text == f"clients {clients} are served"
    kept = {"sessions-found", "polling", "websocket", "upgrade", "idle"}
    assert said_of(site.url, clients, idle=0.05).keys() == kept


@LATER
def test_it_is_told_what_keeps_later_clients_from_websockets(
    sockio_serve: Callable[..., LiveServer],
    proxy: Callable[..., Proxy],
    generation: str,
    clients: str,
) -> None:
    site = sockio_serve(namespaces={"": BaseNamespace}, generations=generation)
    found = said_of(proxy(site.port, patience=5).url, clients)
    assert found["upgrade-removed"].level == "problem"
    assert "instead of 101 [no-upgrade]" in found["upgrade-removed"].text
    assert "proxy_set_header Upgrade" in found["upgrade-removed"].fix
    assert levels(found, "polling", "sessions-found") == ["ok", "ok"]
    assert not {"websocket", "upgrade"} & found.keys()


@LATER
def test_several_processes_that_do_not_share_a_sid(
    sockio_serve: Callable[..., LiveServer],
    proxy: Callable[..., Proxy],
    generation: str,
    clients: str,
) -> None:
    namespaces = {"": BaseNamespace}
    one, other = (sockio_serve(namespaces=namespaces, generations=generation) for _ in range(2))
    found = said_of(proxy(one.port, other.port).url, clients)
    assert list(found) == ["session-lost"]
    assert "url_param(sid)" in found["session-lost"].fix
    assert "sid_prefix" in found["session-lost"].fix


@LATER
def test_a_session_that_cannot_go_over(
    sockio_serve: Callable[..., LiveServer], generation: str, clients: str
) -> None:
    """As where a balancer leads websockets of a session elsewhere."""
    inside = SocketIOMiddleware(not_ours, {"": BaseNamespace}, generations=generation)

    def front(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        query = environ.get("QUERY_STRING", "")
        if "transport=websocket" in query and "sid=" in query:
            start_response("400 Bad Request", [("Content-Type", "text/plain")])
            return [b"elsewhere"]
        return inside(environ, start_response)

    found = said_of(sockio_serve(front).url, clients)
    assert levels(found, "polling", "websocket", "upgrade-failed") == ["ok", "ok", "problem"]
    assert "by the sid" in found["upgrade-failed"].fix


def test_later_clients_of_which_none_may_poll(sockio_serve: Callable[..., LiveServer]) -> None:
    site = sockio_serve(
        namespaces={"": BaseNamespace}, transports="websocket", generations="0.9 eio4"
    )
    found = look_at(site.url, timeout=5)
    assert "clients 3.x and 4.x are served too" in found["later-clients"].text
    assert said_of(site.url, "3.x and 4.x").keys() == {"websocket"}


def test_foreign_pages_of_later_clients(sockio_serve: Callable[..., LiveServer]) -> None:
    site = sockio_serve(namespaces={"": BaseNamespace}, generations="eio4", origins="*")
    assert look_at(site.url)["foreign-origin"].level == "warning"


def test_a_proxy_that_hides_the_name_from_later_clients(
    sockio_serve: Callable[..., LiveServer], proxy: Callable[..., Proxy]
) -> None:
    site = sockio_serve(namespaces={"": BaseNamespace}, generations="eio4")
    found = look_at(proxy(site.port, keep_host=False).url, timeout=5)
    assert levels(found, "origin-lost", "handshake", "polling") == ["problem", "ok", "ok"]


def test_a_proxy_that_knows_the_paths_of_0_9_alone(
    site: LiveServer, proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    front = proxy(site.port)
    passed_on = front._answer

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ["PATH_INFO"] == "/socket.io/" and environ.get("QUERY_STRING"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"no page"]
        return passed_on(environ, start_response)

    monkeypatch.setattr(front._server, "application", answer)
    found = look_at(front.url, timeout=5)
    assert levels(found, "handshake", "later-clients-refused") == ["ok", "warning"]


def test_a_site_below_a_path(sockio_serve: Callable[..., LiveServer]) -> None:
    site = sockio_serve(namespaces={"": BaseNamespace}, resource="live/socket.io")
    assert look_at(site.url)["not-sockio"].level == "problem"
    assert look_at(f"{site.url}/live/")["websocket"].level == "ok"


def test_the_command_takes_the_setting_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def look(url: str, headers: Any, *, resource: str, idle: float) -> list[Finding]:
        asked.append(resource)
        return []

    monkeypatch.setattr("sockio.doctor.examine_url", look)
    main(["doctor", "--url", "http://site.test", "--resource", "/chat.io/"])
    main(["doctor", "--url", "http://site.test"])
    assert asked == ["chat.io", "socket.io"]


def test_nobody_there() -> None:
    found = look_at("127.0.0.1:1")
    assert list(found) == ["unreachable"]
    assert found["unreachable"].level == "problem"


def test_an_address_that_is_none() -> None:
    with pytest.raises(UsageError, match="write http://"):
        examine_url("ftp://example.com")


def test_the_command_has_a_status(site: LiveServer) -> None:
    def run(*arguments: str) -> Any:
        command = [sys.executable, "-m", "sockio.cli", "doctor", "--json", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    well = run("--url", site.url)
    assert well.returncode == 0, well.stdout + well.stderr
    assert json.loads(well.stdout)["url"] == site.url
    assert run("--url", "http://127.0.0.1:1").returncode == 1
