"""Applications as they were written for gevent-socketio, with nothing changed but the imports.

Small ones, made for these tests, which use what its example chats used, in the way they did: a dict
as request that all clients share, views that return nothing or always 200, state on the class and
on the instance, clean-up in ``recv_disconnect`` that ends with ``disconnect(silent=True)``, endless
loops that are spawned, packets sent to every socket of the server. Real clients talk to them.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import gevent
import pytest

from sockio import SettingsError, socketio_manage
from sockio.mixins import BroadcastMixin, RoomsMixin
from sockio.namespace import BaseNamespace
from sockio.server import SocketIOServer
from sockio.server import serve as serve_until_stopped
from sockio.transports import TRANSPORTS, XHRPolling
from sockio.virtsocket import Socket, default_error_handler

from ..examples.programs import running
from ..support.node import Client, Node, SharedNode
from ..support.processes import need_module
from ..support.servers import Served
from ..support.transcript import PATIENCE, Transcript, eventually

APPS = Path(__file__).parent / "apps"

Serve = Callable[..., Served]


@pytest.fixture
def node(shared_node: SharedNode, serve: Serve) -> Iterator[Node]:
    """Real clients, which leave before the servers do."""
    yield from shared_node.use()


@pytest.fixture(params=["websocket", "xhr-polling"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def connected(node: Node, url: str, transport: str = "websocket") -> Client:
    client = node.connect(url, transport)
    client.next("connect")
    return client


def not_found(start_response: Callable[..., Any]) -> list[bytes]:
    start_response("404 Not Found", [])
    return [b"<h1>Not Found</h1>"]


class Site:
    """A bare WSGI application whose view for clients returns nothing."""

    def __init__(self, namespaces: dict[str, type], request: Any = None) -> None:
        self.namespaces = namespaces
        self.request = request

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        path = environ["PATH_INFO"].strip("/")
        if not path:
            start_response("200 OK", [("Content-Type", "text/html")])
            return [b"<h1>Welcome.</h1>"]
        if path.startswith("socket.io"):
            socketio_manage(environ, self.namespaces, self.request)
            return None
        return not_found(start_response)


# ---- the chat without a framework


class Auction(BaseNamespace, RoomsMixin, BroadcastMixin):
    """Bidders are kept in the request, a dict that the application made once."""

    def on_bidder(self, name: str) -> None:
        self.request["bidders"].append(name)
        self.socket.session["bidder"] = name
        self.broadcast_event("notice", f"{name} is here")
        self.broadcast_event("bidders", self.request["bidders"])
        self.join("hall")

    def on_my_bid(self, sum: int) -> None:
        self.emit_to_room("hall", "bid", self.socket.session["bidder"], sum)

    def recv_message(self, message: str) -> None:
        self.request["whispers"].append(message)

    def recv_disconnect(self) -> None:
        name = self.socket.session["bidder"]
        self.request["bidders"].remove(name)
        self.broadcast_event("notice", f"{name} has left")
        self.broadcast_event("bidders", self.request["bidders"])
        self.disconnect(silent=True)


def test_a_chat_in_the_global_namespace_with_one_request_for_all(
    serve: Serve, node: Node, transport: str
) -> None:
    request: dict[str, list[str]] = {"bidders": [], "whispers": []}
    server = serve(Site({"": Auction}, request), resource="socket.io")
    ada, bob = (connected(node, server.url, transport) for _ in range(2))
    # The page's callback waits; what it is called with is as false as what it was called with.
    assert ada.ask("bidder", "ada") == []
    for client in (ada, bob):
        assert client.next("notice") == ["ada is here"]
        assert client.next("bidders") == [["ada"]]
    bob.ask("bidder", "bob")
    assert ada.next("bidders") == [["ada", "bob"]]
    ada.emit("my bid", 100)
    assert bob.next("bid") == ["ada", 100]
    assert ada.got("bid") == []
    ada.send_and_wait("psst")
    # The receipt says that it has come; it is handled right behind.
    eventually(lambda: request["whispers"] == ["psst"], "the message is handled")
    assert bob.next("bidders") == [["ada", "bob"]]
    ada.disconnect()
    assert bob.next("notice") == ["bob is here"]
    assert bob.next("notice") == ["ada has left"]
    assert bob.next("bidders") == [["bob"]]
    assert request["bidders"] == ["bob"]


def test_a_clean_up_that_fails_is_logged_and_everything_else_is_cleaned_up(
    serve: Serve, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    # Whoever leaves before giving a name is in no list: all of those chats raise KeyError then.
    server = serve(Site({"": Auction}, {"bidders": []}))
    ada = connected(node, server.url)
    ada.disconnect()
    eventually(lambda: "recv_disconnect of '' failed" in caplog.text, "the log")
    eventually(lambda: not server.registry.sockets, "the end")
    server.registry.check()


# ---- the graph


class Dice(BaseNamespace, BroadcastMixin):
    """Sends for ever to whoever connects."""

    ended: ClassVar[Transcript]

    def recv_connect(self) -> None:
        def rolls() -> Iterator[int]:
            number = 0
            while True:
                yield number
                number += 1
                gevent.sleep(0.01)

        def send_rolls() -> None:
            try:
                for number in rolls():
                    self.emit("roll", {"point": number})
            finally:
                self.ended.add("loop")

        self.spawn(send_rolls)


def test_an_endless_loop_that_recv_connect_spawns_ends_with_its_client(
    serve: Serve, node: Node, transport: str
) -> None:
    Dice.ended = Transcript("server")
    server = serve(Site({"/dice": Dice}))
    ada = connected(node, server.url + "/dice", transport)
    assert [ada.next("roll") for _ in range(3)] == [[{"point": number}] for number in range(3)]
    ada.disconnect()
    Dice.ended.next("loop")


# ---- the chat in a framework


class Darts(BaseNamespace, RoomsMixin, BroadcastMixin):
    """Players are kept on the class, the board on the instance."""

    players: ClassVar[list[str]] = []

    def initialize(self) -> None:
        self.logger = logging.getLogger("darts")
        self.logger.info("session %s", self.socket.sessid)

    def on_play(self, board: str) -> bool:
        self.board = board
        self.join(board)
        return True

    def on_name(self, name: str) -> tuple[bool, str]:
        self.players.append(name)
        self.session["name"] = name
        self.broadcast_event("players", self.players)
        return True, name

    def on_throw_dart(self, points: int) -> None:
        self.emit_to_room(self.board, "thrown", self.session["name"], points, self.request.path)

    def recv_disconnect(self) -> bool:
        self.players.remove(self.session["name"])
        self.broadcast_event("players", self.players)
        self.disconnect(silent=True)
        return True


def play_darts(node: Node, url: str, transport: str) -> None:
    """What both frameworks' sites have to do."""
    ada, bob, eve = (connected(node, url + "/darts", transport) for _ in range(3))
    assert ada.ask("play", "1") == bob.ask("play", "1") == eve.ask("play", "2") == [True]
    for client, name in ((ada, "ada"), (bob, "bob"), (eve, "eve")):
        assert client.ask("name", name) == [True, name]
    assert [eve.next("players") for _ in range(3)][-1] == [["ada", "bob", "eve"]]
    ada.emit("throw dart", 20)
    thrown = bob.next("thrown")
    assert thrown[:2] == ["ada", 20]
    assert thrown[2].startswith("/socket.io/1")
    ada.disconnect()
    assert eve.next("players") == [["bob", "eve"]]
    assert ada.got("thrown") == eve.got("thrown") == []
    assert bob.got("error") == eve.got("error") == []


def test_a_flask_view_that_swallows_exceptions_and_answers_with_nothing(
    serve: Serve, node: Node, transport: str
) -> None:
    need_module("flask", requirement="Flask>=3.0")
    import flask

    Darts.players.clear()
    app = flask.Flask("darts")

    @app.route("/socket.io/<path:remaining>")
    def socketio(remaining: str) -> Any:
        try:
            socketio_manage(flask.request.environ, {"/darts": Darts}, flask.request)
        except Exception:
            app.logger.exception("a client could not be served")
        return flask.Response()

    play_darts(node, serve(app, resource="socket.io").url, transport)


def test_a_django_view_that_swallows_exceptions_and_answers_with_nothing(
    node: Node, transport: str
) -> None:
    # In a process of its own: a process has one Django in it.
    need_module("django", requirement="Django>=4.2")
    with running([sys.executable, "ancestors_django.py"], APPS) as program:
        url = program.tells(r"Listening on (http://\S+)", 4 * PATIENCE)
        play_darts(node, url, transport)
        node.forget_all()
        assert "could not be served" not in program.output


def test_a_view_that_swallows_our_exception_lets_nobody_in(serve: Serve, node: Node) -> None:
    def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        try:
            socketio_manage(environ, {"no slash": BaseNamespace})
        except Exception:
            logging.getLogger("darts").exception("a client could not be served")
        start_response("200 OK", [])
        return [b""]

    client = node.connect(serve(view).url, "websocket")
    assert client.next("error") == ["handshake unauthorized"]


# ---- acknowledgements, errors, access, in both directions


class Bank(BaseNamespace, RoomsMixin, BroadcastMixin):
    def get_initial_acl(self) -> set[str]:
        return {"recv_connect", "recv_json", "recv_disconnect", "on_log_in", "on_ask_me", "on_tell"}

    def recv_connect(self) -> None:
        self.emit("you just connected", {"as": "guest"})

    def recv_json(self, data: Any) -> None:
        self.send({"got": data}, json=True)

    def on_log_in(self, name: str) -> bool:
        if name != "ada":
            self.error("no_account", "There is no such account.")
            return False
        self.add_acl_method("on_withdraw")
        return True

    def on_withdraw(self, sum: int) -> int:
        return 100 - sum

    def on_whole_packet(self, packet: Any) -> tuple[Any, ...]:
        return packet["name"], packet["args"], packet["endpoint"]

    def on_ask_me(self, question: str) -> None:
        def answered(*answer: Any) -> None:
            self.socket["/bank"].emit("so you say", *answer)

        self.emit("question", question, callback=answered)

    def on_tell(self, *news: Any) -> None:
        self.broadcast_event_not_me("news", *news)

    def on_throw_me_out(self) -> None:
        self.disconnect()


@pytest.fixture
def at_the_bank(serve: Serve, node: Node, transport: str) -> Callable[[], Client]:
    server = serve(Site({"/bank": Bank}))
    return lambda: connected(node, server.url + "/bank", transport)


def test_an_acl_that_opens_up_after_a_login(at_the_bank: Callable[[], Client]) -> None:
    ada = at_the_bank()
    assert ada.next("you just connected") == [{"as": "guest"}]
    (refused,) = ada.ask("withdraw", 10)
    assert refused["error"] == "method_access_denied"
    assert ada.ask("log in", "mallory") == [False]
    assert ada.next("error") == ["no_account", "There is no such account."]
    assert ada.ask("log in", "ada") == [True]
    assert ada.ask("withdraw", 10) == [90]


def test_callbacks_json_and_news_for_the_others(at_the_bank: Callable[[], Client]) -> None:
    ada, bob = at_the_bank(), at_the_bank()
    ada.answer("question", "yes", 7)
    ada.ask("ask me", "rich?")
    assert ada.next("so you say") == ["yes", 7]
    ada.send_json([1, None])
    assert ada.next("message") == [{"got": [1, None]}]
    ada.ask("tell", "a", "b")
    assert bob.next("news") == ["a", "b"]
    assert ada.got("news") == []


def test_without_an_acl_everything_is_open(serve: Serve, node: Node) -> None:
    class OpenBank(Bank):
        def recv_connect(self) -> None:
            self.lift_acl_restrictions()

    ada = connected(node, serve(Site({"/bank": OpenBank})).url + "/bank")
    assert ada.ask("whole packet", 1, 2) == ["whole_packet".replace("_", " "), [1, 2], "/bank"]
    ada.emit("throw me out")
    ada.next("disconnect")


# ---- from outside of any client


def test_a_packet_for_every_socket_of_the_server(serve: Serve, node: Node) -> None:
    served = serve(Site({"/ticker": BaseNamespace}))
    server = served.server
    clients = [connected(node, served.url + "/ticker") for _ in range(2)]
    packet = {"type": "event", "name": "tick", "args": (1, 2), "endpoint": "/ticker"}

    def tell_all() -> None:
        for sessid, socket in server.sockets.items():
            assert server.get_socket(sessid) is socket
            socket.send_packet(packet)

    gevent.spawn(tell_all).join()
    assert [client.next("tick") for client in clients] == [[1, 2], [1, 2]]
    assert server.get_socket("unknown") is None


# ---- the names of the ancestor's socket


@pytest.mark.parametrize(
    ("end", "told"),
    [
        pytest.param(lambda socket: socket.kill(), True, id="kill"),
        pytest.param(lambda socket: socket.kill(detach=True), True, id="kill and detach"),
        pytest.param(lambda socket: socket.detach(), False, id="detach"),
        pytest.param(lambda socket: socket.remove_namespace(""), False, id="the last namespace"),
    ],
)
def test_gs44_a_socket_ends_by_any_of_its_names(
    serve: Serve, node: Node, end: Callable[[Socket], None], told: bool
) -> None:
    server = serve(Site({"": BaseNamespace}))
    client = connected(node, server.url)
    socket = server.server.get_socket(client.sid)
    assert socket.state == socket.STATE_CONNECTED == Socket.STATE_CONNECTED
    end(socket)
    assert client.next("disconnect") == (["booted"] if told else [None])
    eventually(lambda: socket.state == Socket.STATE_DISCONNECTED, "the end")
    assert client.sid not in server.server.sockets


def test_gs44_one_namespace_is_removed_and_the_others_stay(serve: Serve, node: Node) -> None:
    server = serve(Site({"/a": Bank, "/b": Bank}))
    a = connected(node, server.url + "/a")
    b = node.open(a, "/b")
    b.next("connect")
    socket = server.server.get_socket(a.sid)
    namespace = socket["/a"]
    socket.remove_namespace("/a")
    socket.remove_namespace("/a")
    eventually(lambda: "/a" not in socket, "the end of /a")
    assert not namespace.connected
    assert b.ask("log in", "ada") == [True]
    assert a.got("disconnect") == []


def test_gs42_the_json_functions_of_a_socket(serve: Serve, node: Node) -> None:
    def dumps(value: Any) -> str:
        return json.dumps(value, default=str)

    def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return socketio_manage(environ, {"": Price}, json_dumps=dumps)

    class Price(BaseNamespace):
        def on_price(self) -> Decimal:
            return Decimal("9.90")

    server = serve(view)
    client = connected(node, server.url)
    assert client.ask("price") == ["9.90"]
    socket = server.server.get_socket(client.sid)
    assert socket.json_dumps is dumps
    assert socket.json_loads("[1]") == [1]


def test_gs46_an_error_handler_that_adds_to_the_default_one(serve: Serve, node: Node) -> None:
    seen: list[tuple[str, str]] = []

    def handler(
        socket: Any, name: str, message: str, endpoint: Any, msg_id: Any, quiet: bool
    ) -> None:
        seen.append((endpoint, name))
        default_error_handler(socket, name, message, endpoint, msg_id, quiet)

    def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return socketio_manage(environ, {"/bank": Bank}, error_handler=handler)

    client = connected(node, serve(view).url + "/bank")
    assert client.ask("log in", "eve") == [False]
    client.next("error")
    assert seen == [("/bank", "no_account")]


# ---- the server


def test_gs06_a_policy_server_needs_the_domains_and_says_so(serve: Serve) -> None:
    listener: dict[str, Any] = {"policy_server": True, "policy_listener": ("127.0.0.1", 0)}
    with pytest.raises(SettingsError, match=r"policy_domains=\['www.example.com'\]"):
        SocketIOServer(("127.0.0.1", 0), Site({}), resource="socket.io", **listener)
    server = serve(Site({}), resource="socket.io", policy_domains=["a.example"], **listener).server
    assert server.policy_server is not None


@pytest.mark.parametrize("name", ["namespace", "log_file", "ws_handler_class"])
def test_gs04_gs08_gs09_an_option_that_is_no_more_says_what_to_write(name: str) -> None:
    option: dict[str, Any] = {name: "x"}
    with pytest.raises(
        SettingsError, match=rf"SocketIOServer\({name}=\.\.\.\): .*(resource|log|leave)"
    ):
        SocketIOServer(("127.0.0.1", 0), Site({}), **option)


def test_gs07_gs12_timeouts_may_be_given_as_before(serve: Serve) -> None:
    server = serve(Site({}), heartbeat_timeout="30", close_timeout=31, heartbeat_interval=12).server
    settings = server.middleware.settings
    assert settings.heartbeat_timeout == 30
    assert (settings.close_timeout, settings.heartbeat_interval) == (31, 12)


@pytest.mark.parametrize("quiet", [False, True])
def test_gs13_serve_says_where_it_listens_unless_it_is_to_be_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    monkeypatch.setattr(gevent, "signal_handler", lambda *args: None)
    monkeypatch.setattr(SocketIOServer, "serve_forever", lambda server: server.stop())
    serve_until_stopped(
        Site({}), host="127.0.0.1", port=0, transports="websocket, xhr-polling", _quiet=quiet
    )
    said = capsys.readouterr().err
    assert ("serving on http://127.0.0.1:" in said) is not quiet


def test_gs22_a_transport_of_ones_own(
    serve: Serve, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counted(XHRPolling):
        name = "xhr-polling"
        asked = 0

        def respond(self, request: Any, socket: Any) -> Any:
            Counted.asked += 1
            return super().respond(request, socket)

    monkeypatch.setitem(TRANSPORTS, "xhr-polling", Counted)
    server = serve(Site({"/bank": Bank}), transports=["xhr-polling"])
    ada = connected(node, server.url + "/bank", "xhr-polling")
    assert ada.ask("log in", "ada") == [True]
    assert Counted.asked > 0
