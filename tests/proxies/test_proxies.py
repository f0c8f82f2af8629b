"""nginx and HAProxy in front: nothing of what holds without them is lost."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest

from sockio import SocketIOMiddleware

from ..servers.chat import Chat, pages
from ..support.engine_client import EngineSession, EngineWire
from ..support.generations import LATER_WAYS
from ..support.node import Client, Node
from ..support.raw_http import Connection, get, handshake, post
from ..support.raw_websocket import RawWebSocket, open_session
from ..support.servers import Served
from ..support.tls import make_certificate
from ..support.transcript import PATIENCE, eventually
from .conftest import EXAMPLES, StartProxy

pytestmark = pytest.mark.e2e

Serve = Callable[..., Served]

#: Where the example listens, and how the test has it.
LISTEN = {
    "nginx": {"listen 80;": "listen 127.0.0.1:PORT;"},
    "haproxy": {"bind :80\n": "bind 127.0.0.1:PORT\n"},
}
TLS_OF_HAPROXY = {"    bind :443 ssl crt /etc/haproxy/example.pem\n": ""}


def chat(serve: Serve, app: Any = pages, **settings: Any) -> Served:
    return serve(app, {"/chat": Chat}, trusted_proxies=["127.0.0.1"], **settings)


@pytest.fixture(params=["nginx", "haproxy"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(serve: Serve) -> Served:
    return chat(serve)


@pytest.fixture
def port(kind: str, server: Served, proxy: StartProxy) -> int:
    """A proxy in front of ``server``."""
    changes = {**LISTEN[kind], "127.0.0.1:8080": f"127.0.0.1:{server.port}"}
    if kind == "haproxy":
        changes |= TLS_OF_HAPROXY
    return proxy(example(kind, "one-server"), changes)


def example(kind: str, name: str) -> str:
    return f"{kind}/{name}.{'conf' if kind == 'nginx' else 'cfg'}"


def connect(node: Node, port: int, transport: str, **options: Any) -> Client:
    client = node.connect(f"http://127.0.0.1:{port}/chat", transport, **options)
    client.next("connect")
    assert client.transport == transport
    assert client.ask("carried_by") == [transport]
    return client


RELEASES = ("2.5.0", "4.8.4")
BYTES = bytes(range(256))


def OF_EACH_RELEASE(test: Any) -> Any:  # noqa: N802
    """The real clients since 1.0, the last of each protocol, however they are carried."""
    each_way = pytest.mark.parametrize("way", LATER_WAYS)(test)
    return pytest.mark.parametrize("version", RELEASES)(each_way)


def arrive(node: Node, port: int, version: str, way: str, **options: Any) -> Client:
    url = f"{options.pop('scheme', 'http')}://127.0.0.1:{port}/chat"
    client = node.arrive(version, url, LATER_WAYS[way], **options)
    assert client.ask("carried_by") == ["polling" if way == "polling" else "websocket"]
    return client


# ---- one server


@pytest.mark.parametrize("transport", ["websocket", "xhr-polling"])
def test_the_real_client_converses(port: int, node: Node, transport: str) -> None:
    ada = connect(node, port, transport)
    assert ada.ask("echo", "Grüße ☃ 🎈", [1]) == ["Grüße ☃ 🎈", [1]]
    assert ada.ask("size", "x" * 500_000) == [500_000]
    ada.send("plain")
    assert ada.next("message") == ["plain"]


@OF_EACH_RELEASE
def test_the_real_later_clients_converse(port: int, node: Node, version: str, way: str) -> None:
    ada = arrive(node, port, version, way)
    assert ada.ask("echo", "Grüße ☃ 🎈", [BYTES]) == ["Grüße ☃ 🎈", [BYTES]]
    assert ada.ask("size", "x" * 500_000) == [500_000]
    ada.send("plain")
    assert ada.next("message") == ["plain"]


def test_rooms_have_clients_of_every_kind(port: int, node: Node) -> None:
    people = [connect(node, port, transport) for transport in ("websocket", "xhr-polling")]
    people += [arrive(node, port, each, way) for each in RELEASES for way in LATER_WAYS]
    for client in people:
        client.ask("enter", "lobby")
    for number, client in enumerate(people):
        assert client.ask("say", "lobby", number) == [True]
        for other in people:
            if other is not client:
                assert other.next("said") == [number]


def test_a_stream_is_not_buffered(port: int) -> None:
    sid = handshake(port)
    with Connection(port) as stream:
        stream.request("GET", f"/socket.io/1/htmlfile/{sid}")
        stream.read_until(b"1::")
        for packet in ("1::/chat", "3::/chat:one", "3::/chat:two"):
            assert post(port, f"/socket.io/1/htmlfile/{sid}", packet).code == 200
            stream.read_until(packet.rpartition("/")[2].encode())  # JSON has its slash escaped


def test_a_websocket_that_is_cut_is_noticed_at_once(port: int, server: Served) -> None:
    websocket = open_session(port, "/chat")
    assert len(server.registry) == 1
    websocket.reset()
    eventually(lambda: not len(server.registry), "the session has ended")


def test_a_poll_whose_client_hangs_up_takes_nothing_with_it(port: int, server: Served) -> None:
    sid = handshake(port)
    path = f"/socket.io/1/xhr-polling/{sid}"
    assert get(port, path).body == "1::"
    assert post(port, path, "1::/chat").body == "1"
    assert get(port, path).body == "1::/chat"
    socket = server.registry.get_socket(sid)
    assert socket is not None
    with Connection(port) as poll:
        poll.request("GET", path)
        eventually(lambda: socket._carrier is not None, "the poll waits")
    eventually(lambda: socket._carrier is None, "its end is seen")
    socket["/chat"].send("precious")
    assert get(port, path).body == "3::/chat:precious"


def test_the_goodbye_of_a_page_that_is_closed(port: int, server: Served) -> None:
    """The client asks for /socket.io/1//SID/?disconnect=1, synchronously."""
    sid = handshake(port)
    assert get(port, f"/socket.io/1/xhr-polling/{sid}").body == "1::"
    assert get(port, f"/socket.io/1//{sid}/?disconnect=1").code == 200
    assert len(server.registry) == 0


def test_the_end_of_the_server_reaches_websockets(port: int, server: Served) -> None:
    with open_session(port, "/chat") as websocket:
        server.stop()
        assert websocket.closing() == 1001


def test_the_page_and_its_sockets_have_one_origin(port: int) -> None:
    own = {"Origin": f"http://127.0.0.1:{port}"}
    assert get(port, "/socket.io/1/", own).code == 200
    assert get(port, "/socket.io/1/", {"Origin": "http://evil.example"}).code == 403
    assert get(port, "/socket.io/1/", {"Origin": f"https://127.0.0.1:{port}"}).code == 403
    with RawWebSocket(port, handshake(port), headers=own) as websocket:
        assert websocket.hear() == "1::"


def test_the_clients_address_comes_through(port: int, server: Served) -> None:
    """What the client itself forwards is not believed."""
    address = ("127.0.0.2", 0)  # that of the proxy is trusted
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=address)
    with sock, sock.makefile("rb") as reader:
        request = ["GET /socket.io/1/ HTTP/1.1", "Host: a", "X-Forwarded-For: 198.51.100.1", "", ""]
        sock.sendall("\r\n".join(request).encode())
        assert reader.readline().startswith(b"HTTP/1.1 200 ")
    (session,) = server.registry.sockets.values()
    assert session.address == "127.0.0.2"


@pytest.mark.parametrize("path", ["/socket.io/1/", "/socket.io/?EIO=4&transport=polling"])
def test_nobody_chooses_the_name_of_the_server(port: int, path: str) -> None:
    """By headers that count from a proxy, and that a client has sent through it."""
    evil = {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"}
    assert get(port, path, evil).code == 403
    own = {"Origin": f"https://127.0.0.1:{port}", "X-Forwarded-Proto": "https"}
    assert get(port, path, own).code == 403


@pytest.mark.parametrize(
    "config", sorted(EXAMPLES.glob("*/*.c*")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_all_that_is_believed_is_set(config: Path) -> None:
    text = config.read_text("utf-8")
    hosts, protos = (text.count(f" X-Forwarded-{name} ") for name in ("Host", "Proto"))
    assert hosts == protos > 0


def test_other_paths_are_the_applications(port: int) -> None:
    assert get(port, "/page").body == "|/page"


# ---- TLS


def test_tls_ends_at_the_proxy(
    kind: str,
    server: Served,
    proxy: StartProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate = make_certificate(tmp_path)
    changes = {"127.0.0.1:8080": f"127.0.0.1:{server.port}"}
    if kind == "nginx":
        changes |= {
            "listen 443 ssl;": "listen 127.0.0.1:PORT ssl;",
            "/etc/ssl/certs/example.pem": str(certificate.certfile),
            "/etc/ssl/private/example.key": str(certificate.keyfile),
        }
        port = proxy("nginx/https.conf", changes)
    else:
        both = tmp_path / "both.pem"
        both.write_text(certificate.certfile.read_text() + certificate.keyfile.read_text())
        changes |= {
            "    bind :80\n": "",
            "bind :443": "bind 127.0.0.1:PORT",
            "/etc/haproxy/example.pem": str(both),
        }
        port = proxy("haproxy/one-server.cfg", changes)
    tls = certificate.client_context()
    own = {"Origin": f"https://127.0.0.1:{port}"}
    assert get(port, "/socket.io/1/", own, tls).code == 200
    assert get(port, "/socket.io/1/", {"Origin": "https://evil.example"}, tls).code == 403
    with RawWebSocket(port, handshake(port, tls=tls), headers=own, tls=tls) as websocket:
        assert websocket.hear() == "1::"

    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(certificate.certfile))
    node = Node()
    try:
        for transport in ("websocket", "xhr-polling"):
            ada = node.connect(f"https://127.0.0.1:{port}/chat", transport)
            ada.next("connect")
            assert ada.ask("echo", transport) == [transport]
        for version in RELEASES:
            for way in LATER_WAYS:
                ada = arrive(node, port, version, way, scheme="https")
                assert ada.ask("echo", BYTES) == [BYTES]
        node.forget_all()
    finally:
        node.kill()


# ---- below a path


class Mounted:
    """A dispatcher: what is below ``prefix`` is the application's, and SCRIPT_NAME says so."""

    def __init__(self, prefix: str, app: Any) -> None:
        self.prefix = prefix
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if not path.startswith(self.prefix + "/"):
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        mounted = {"SCRIPT_NAME": self.prefix, "PATH_INFO": path[len(self.prefix) :]}
        return self.app({**environ, **mounted}, start_response)


@pytest.fixture
def below(kind: str, serve: Serve, proxy: StartProxy) -> Callable[[Served, Served], int]:
    def start(stripped: Served, mounted: Served) -> int:
        changes = {
            **LISTEN[kind],
            "127.0.0.1:8080": f"127.0.0.1:{stripped.port}",
            "127.0.0.1:8081": f"127.0.0.1:{mounted.port}",
        }
        return proxy(example(kind, "sub-path"), changes)

    return start


def wait_for_end(served: Served, sid: str) -> None:
    eventually(lambda: sid not in served.registry.sockets, "the end of a session")


@pytest.mark.parametrize("transport", ["websocket", "xhr-polling"])
def test_below_a_path(
    below: Callable[[Served, Served], int], serve: Serve, node: Node, transport: str
) -> None:
    site = Mounted(
        "/mounted", SocketIOMiddleware(pages, {"/chat": Chat}, trusted_proxies=["127.0.0.1"])
    )
    stripped, mounted = chat(serve), serve(site)
    port = below(stripped, mounted)
    for prefix, script_name in (("app", ""), ("mounted", "/mounted")):
        assert get(port, f"/{prefix}/page").body == f"{script_name}|/page"
        resource = f"{prefix}/socket.io"
        ada = connect(node, port, transport, resource=resource)
        assert ada.ask("echo", prefix) == [prefix]
        served = stripped if prefix == "app" else mounted
        assert ada.sid in served.registry.sockets
        assert get(port, f"/{resource}/1//{ada.sid}/?disconnect=1").code == 200
        # Between two polls it waits for the next, to answer that.
        wait_for_end(served, ada.sid)


def test_later_clients_below_a_path(
    below: Callable[[Served, Served], int], serve: Serve, node: Node
) -> None:
    stripped = chat(serve)
    port = below(stripped, chat(serve, resource="mounted/socket.io"))
    for version in RELEASES:
        for way in LATER_WAYS:
            for prefix in ("app", "mounted"):
                ada = arrive(node, port, version, way, path=f"/{prefix}/socket.io")
                assert ada.ask("echo", prefix) == [prefix]


def test_below_a_path_that_is_the_resource(
    below: Callable[[Served, Served], int], serve: Serve, node: Node
) -> None:
    port = below(chat(serve), chat(serve, resource="mounted/socket.io"))
    assert get(port, "/mounted/page").body == "|/mounted/page"
    ada = connect(node, port, "websocket", resource="mounted/socket.io")
    assert ada.ask("echo", 1) == [1]


# ---- two origins


def test_two_origins(serve: Serve, proxy: StartProxy) -> None:
    site, live = serve(pages, {}), chat(serve, origins=["http://www.example.com"])
    changes = {
        "listen 80;": "listen 127.0.0.1:PORT;",
        "127.0.0.1:8000": f"127.0.0.1:{site.port}",
        "127.0.0.1:8080": f"127.0.0.1:{live.port}",
    }
    port = proxy("nginx/two-origins.conf", changes)

    def ask(method: str, path: str, host: str, origin: str, body: str = "") -> Any:
        with Connection(port) as connection:
            headers = {"Origin": f"http://{origin}", "Content-Length": str(len(body))}
            lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            connection.send("\r\n".join([*lines, "", body]).encode())
            return connection.answer()

    www, live_name = "www.example.com", "live.example.com"
    assert ask("GET", "/page", www, www).body == "|/page"
    answer = ask("GET", "/socket.io/1/", live_name, www)
    assert answer.headers["access-control-allow-origin"] == "http://www.example.com"
    assert answer.headers["access-control-allow-credentials"] == "true"
    path = f"/socket.io/1/xhr-polling/{answer.body.partition(':')[0]}"
    assert ask("GET", path, live_name, www).body == "1::"
    assert ask("POST", path, live_name, www, "1::/chat").body == "1"
    assert ask("GET", "/socket.io/1/", live_name, "evil.example").code == 403
    for revision in (3, 4):
        path = f"/socket.io/?EIO={revision}&transport=polling"
        opened = ask("GET", path, live_name, www)
        assert opened.headers["access-control-allow-origin"] == "http://www.example.com"
        assert '"sid":"' in opened.body
        assert ask("GET", path, live_name, "evil.example").code == 403
    headers = {"Host": live_name, "Origin": "http://www.example.com"}
    sid = answer.body.partition(":")[0]
    with RawWebSocket(port, sid, headers=headers) as websocket:
        assert websocket.hear() == "1::/chat"


def test_beside_a_site_that_is_served_by_another_server(
    serve: Serve, proxy: StartProxy, node: Node
) -> None:
    def site(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "4")])
        return [b"site"]

    changes = {
        **LISTEN["nginx"],
        "127.0.0.1:8000": f"127.0.0.1:{serve(site, {}).port}",
        "127.0.0.1:8080": f"127.0.0.1:{chat(serve).port}",
    }
    port = proxy("nginx/beside-a-site.conf", changes)
    for transport in ("websocket", "xhr-polling"):
        assert connect(node, port, transport).ask("echo", 1) == [1]
    for version in RELEASES:
        for way in LATER_WAYS:
            assert arrive(node, port, version, way).ask("echo", 1) == [1]
    assert get(port, "/page").body == "site"
    own = {"Origin": f"http://127.0.0.1:{port}"}
    assert get(port, "/socket.io/1/", own).code == 200


# ---- two servers


@pytest.fixture
def two(kind: str, serve: Serve, proxy: StartProxy) -> Any:
    """A proxy, and the two servers behind it."""
    servers = [chat(serve, sid_prefix=prefix) for prefix in ("a.", "b.")]
    changes = {
        **LISTEN[kind],
        "127.0.0.1:8081": f"127.0.0.1:{servers[0].port}",
        "127.0.0.1:8082": f"127.0.0.1:{servers[1].port}",
    }
    return proxy(example(kind, "two-servers"), changes), servers


def test_each_client_stays_with_the_server_of_its_handshake(two: Any, node: Node) -> None:
    port, servers = two
    clients = [
        connect(node, port, transport)
        for transport in ("websocket", "xhr-polling", "xhr-polling", "websocket") * 2
    ]
    for number, client in enumerate(clients * 3):
        assert client.ask("echo", number) == [number]
    for client in clients:
        assert client.got("disconnect") == []
    # p06: none of them is sent from one server to the other, and back.
    homes = [[c.sid in server.registry.sockets for server in servers] for c in clients]
    assert all(sum(home) == 1 for home in homes)
    assert {home.index(True) for home in homes} == {0, 1}, "both have clients"


def test_so_do_clients_whose_handshake_is_a_script(two: Any) -> None:
    port, servers = two
    for _ in range(4):
        answer = get(port, "/socket.io/1/?jsonp=0")
        sid = answer.body.split('"')[1].partition(":")[0]
        for _ in range(3):
            assert (
                "7:::1+0" not in get(port, f"/socket.io/1/jsonp-polling/{sid}?i=0&disconnect").body
            )
            assert get(port, f"/socket.io/1//{sid}/?disconnect=1").code == 200
        assert not any(sid in server.registry.sockets for server in servers)


def test_when_one_server_ends_its_clients_come_back_to_the_other(two: Any, node: Node) -> None:
    port, servers = two
    options = {"reconnect": True, "reconnection_delay": 50}
    clients = [connect(node, port, "websocket", **options) for _ in range(4)]
    servers[0].stop()
    moved = [client for client in clients if client.sid not in servers[1].registry.sockets]
    assert moved
    for client in moved:
        client.next("reconnect")
    for client in clients:
        assert client.ask("echo", "there") == ["there"]
        assert client.sid in servers[1].registry.sockets


def test_so_do_the_real_later_clients(two: Any, node: Node) -> None:
    port, servers = two
    clients = [
        arrive(node, port, version, way)
        for version in RELEASES
        for way in LATER_WAYS
        for _ in range(3)
    ]
    for number, client in enumerate(clients * 3):
        assert client.ask("echo", number) == [number]
    for client in clients:
        assert client.got("disconnect") == []
    assert sum(len(server.registry) for server in servers) == len(clients)
    assert all(len(server.registry) for server in servers), "both have clients"


def test_and_come_back_to_the_other(two: Any, node: Node) -> None:
    port, servers = two
    options = {"reconnection": True, "reconnectionDelay": 50}
    clients = [
        arrive(node, port, version, way, **options) for version in RELEASES for way in LATER_WAYS
    ]
    here = len(servers[0].registry)
    servers[0].stop()
    eventually(lambda: len(servers[1].registry) == len(clients), "all are at the other")
    assert sum(len(client.got("disconnect")) for client in clients) >= here > 0
    for client in clients:
        assert client.ask("echo", "there") == ["there"]


# ---- clients since 1.0

BOTH_REVISIONS = pytest.mark.parametrize("revision", [3, 4])


def converses(port: int, revision: int) -> EngineSession:
    """By polling, then by a websocket; and what is left is the session, without a carrier."""
    session = EngineSession(port, revision, namespace="/chat")
    session.post('42/chat,1["size","' + "x" * 300_000 + '"]')
    assert session.get() == ["43/chat,1[300000]"]
    held = gevent.spawn(session.get)
    with session.try_websocket() as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"
        assert held.get(timeout=PATIENCE) == ["6"]
        wire.say("5")
        wire.say('42/chat,2["carried_by"]')
        assert wire.hear() == '43/chat,2["websocket"]'
        wire.say('451-/chat,3["echo",{"_placeholder":true,"num":0}]')
        wire.say_bytes(b"\x00\xff")
        assert wire.hear() == '461-/chat,3[{"_placeholder":true,"num":0}]'
        assert wire.hear_bytes() == b"\x00\xff"
        wire.send_close()
        assert wire.read_frame().code in (1000, 1005)
    session.close()
    return session


@BOTH_REVISIONS
def test_clients_since_1_0_converse_and_go_over(port: int, server: Served, revision: int) -> None:
    converses(port, revision)
    eventually(lambda: not len(server.registry), "the session has ended")


@BOTH_REVISIONS
def test_a_poll_of_theirs_that_is_lost_is_the_end(port: int, server: Served, revision: int) -> None:
    session = EngineSession(port, revision, namespace="/chat")
    socket = server.registry.get_socket(session.sid)
    assert socket is not None
    session.gets.request("GET", session.path)
    eventually(lambda: socket._carrier is not None, "the poll waits")
    session.close()
    eventually(lambda: not len(server.registry), "the session has ended")


@BOTH_REVISIONS
def test_they_stay_with_the_server_of_their_handshake(two: Any, revision: int) -> None:
    port, servers = two
    homes = set()
    for _ in range(4):
        session = converses(port, revision)
        homes.add(session.sid[:2])
        other = servers["ba".index(session.sid[0])]
        assert session.sid not in other.registry.sockets
        with EngineWire(port, revision=revision, query="&x=1") as wire:
            homes.add(wire.sid[:2])
    assert homes == {"a.", "b."}
    for server in servers:
        eventually(lambda: not len(server.registry), "the sessions have ended")  # noqa: B023
