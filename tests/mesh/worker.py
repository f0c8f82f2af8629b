"""One worker: ``worker.py SHARED OPTIONS``. Its first line is the port that is its own; it listens
at the port ``SHARED`` as well, together with the others."""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402

from sockio import BaseNamespace, RoomsMixin, SocketIOMiddleware  # noqa: E402
from sockio.server import SocketIOServer  # noqa: E402
from sockio.transports import TRANSPORTS  # noqa: E402


class Chat(BaseNamespace, RoomsMixin):
    def recv_connect(self) -> None:
        self.join("lobby")

    def on_who(self) -> list[Any]:
        """The worker and the client's name."""
        return [os.getpid(), self.id]

    def on_say(self, *words: Any) -> int:
        self.emit_to_room("lobby", "said", *words, include_self=True)
        return os.getpid()

    def on_count(self, first: int, last: int) -> None:
        for number in range(first, last):
            self.emit_to_room("lobby", "number", os.getpid(), number, include_self=True)

    def on_remember(self, name: str, value: Any) -> None:
        self.session[name] = [{1}] if value == "a set" else value

    def on_recall(self) -> list[Any]:
        """Whether it is the client that it was; its session's data; its rooms."""
        rooms = app.registry.rooms.marks_of(self.socket, self.ns_name)
        return [self.recovered, self.session, sorted(map(str, rooms))]

    def on_enter(self, room: Any) -> None:
        self.join(tuple(room) if isinstance(room, list) else room)

    def on_say_much(self, size: int) -> str:
        try:
            self.emit_to_room("lobby", "said", "x" * size, include_self=True)
        except Exception as error:
            return str(error)
        return "sent"

    def on_hear(self, *words: Any) -> int:
        """How much has come."""
        return sum(len(each) for each in words)

    def on_tell(self, room: str, text: str) -> None:
        app.of(self.ns_name).to(room).emit("told", text)

    def on_tell_here(self, room: str, text: str) -> list[Any]:
        here = app.of(self.ns_name).local.to(room)
        here.emit("told", text)
        here.join("here")
        return [each.id for each in here.fetch_sockets().sockets]

    def on_note(self, *args: Any) -> None:
        app.server_side_emit("note", *args)

    def on_move(self, room: str, other: str) -> None:
        app.of(self.ns_name).to(room).join(other)

    def on_leave(self, room: str) -> None:
        app.of(self.ns_name).to(room).leave(room)

    def on_throw_out(self, room: str) -> None:
        app.of(self.ns_name).to(room).disconnect()

    def on_ask_all(self, room: str, seconds: float) -> Any:
        replies = app.of(self.ns_name).to(room).call("question", b"\0\xff", timeout=seconds)
        return [replies.answers, replies.missing]

    def on_fetch(self, room: str) -> Any:
        found = app.of(self.ns_name).to(room).fetch_sockets(timeout=1)
        return [
            sorted([each.id, sorted(map(str, each.rooms)), each.worker] for each in found.sockets),
            found.missing,
        ]

    def on_between(self, *args: Any) -> Any:
        app.server_side_emit("note", *args)
        answers = app.server_side_call("double", *args, timeout=2)
        return [sorted(answers.values.values()), answers.missing]

    def on_odd(self) -> str:
        try:
            app.of(self.ns_name).to(("a", 1)).emit("told", "")
        except Exception as error:
            return str(error)
        return "sent"

    def on_many(self, count: int) -> str:
        try:
            app.of(self.ns_name).to(*[f"nobody {each}" for each in range(count)]).emit("told", "")
        except Exception as error:
            return str(error)
        return "sent"

    def on_stand_still(self, seconds: float) -> None:
        self.emit("standing")
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            pass


def page(environ: Any, start_response: Any) -> list[bytes]:
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def listener(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(256)
    sock.setblocking(False)
    return sock


log = logging.getLogger("worker")
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
shared, options = int(sys.argv[1]), json.loads(sys.argv[2])
served = {name: options.pop(name) for name in ("certfile", "keyfile", "log") if options.get(name)}
guarded = options.pop("guarded", False)
options.setdefault("origins", "*")
asks = options.pop("asks", False)
# Whether there is a middleware for each tenant, made by the first request for it: "named" or not.
tenants = options.pop("tenants", "")
# Seconds that its end may take, when it is told to end.
grace = options.pop("grace", 0.0)
options.setdefault("transports", list(TRANSPORTS))
options["on_gap"] = lambda process, number: log.warning("told of a gap: %d", number)
NAMESPACES: dict[str | re.Pattern[str], type[BaseNamespace]] = {
    "": Chat,
    "/chat": Chat,
    re.compile(r"/room-\d+"): Chat,
}
app = SocketIOMiddleware(page, NAMESPACES, **options)


@app.on_server_side("double")
def double(text: Any) -> Any:
    if text == "fail":
        raise ValueError("as it was told")
    return [os.getpid(), text + text]


if asks:

    @app.on_start
    def ask_the_others() -> None:
        found = app.server_side_call("double", "x", timeout=10)
        log.info("started beside %s", sorted(pid for pid, _ in found.values.values()))


@app.on_server_side("note")
def note(text: Any) -> None:
    log.info("noted %s", text)


serving: Any = app
if guarded:
    # A server does not see the middleware, and another one has nothing around it.
    unguarded = SocketIOMiddleware(page, {"": Chat}, **options)

    # It is among the workers before its server is.
    app.server_side_emit("note", "up")

    def serving(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith("/open/"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/open", environ["PATH_INFO"][5:]
            return unguarded(environ, start_response)
        if environ.get("HTTP_X_KEY") != "key":
            start_response("401 Unauthorized", [("Content-Type", "text/plain")])
            return [b"no key"]
        return app(environ, start_response)


if tenants:
    made: dict[str, SocketIOMiddleware] = {}

    def serving(environ: Any, start_response: Any) -> Any:
        tenant = environ.get("HTTP_X_TENANT", "nobody")
        if tenant not in made:
            group = f"of-{tenant}" if tenants == "named" else ""
            made[tenant] = SocketIOMiddleware(page, {"": Chat}, group=group, **options)
        return made[tenant](environ, start_response)


if "certfile" in served:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served["certfile"], served["keyfile"])
    served = {"ssl_context": context}
servers = [
    SocketIOServer(listener(0), serving, **served),
    SocketIOServer(listener(shared), serving),
]
for server in servers:
    server.start()


def end() -> None:
    for each in servers:
        each.stop(grace)
    sys.exit()


if grace:
    gevent.signal_handler(signal.SIGTERM, end)
sys.stdout.write(f"port {servers[0].server_port}\n")
sys.stdout.flush()
servers[0].serve_forever()
