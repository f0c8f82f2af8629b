"""A server to be flooded: ``bystander_server.py KIND FOLDER``; its port is the first line.

Its page ``/turns`` gives what the longest turn of the event loop has taken since it was asked for
last, in milliseconds of the processor's time, and how many took longer than :data:`LONG`.
"""

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import types  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402

from sockio import BaseNamespace, RoomsMixin  # noqa: E402
from sockio.runtime.process import make_ready  # noqa: E402
from sockio.server import SocketIOServer  # noqa: E402

TEXT = "x" * 1000
LARGE, PART = b"x" * 1_000_000, b"x" * 1000
#: Seconds of the processor's time: half of what a bystander may have to wait.
LONG = 0.025


class Turns:
    """What the turns of the event loop take, from one look for input to the next.

    In time of this thread on the processor: what others of the machine take does not count, and
    neither do native threads of this process.
    """

    def __init__(self) -> None:
        self.longest, self.long = 0.0, 0
        self._began = time.thread_time()
        # Before everything else that a look has found.
        self._check = gevent.get_hub().loop.check(ref=False, priority=2)
        self._check.start(self._looked)

    def _looked(self) -> None:
        now = time.thread_time()
        took = now - self._began
        self._began = now
        if took > self.longest:
            self.longest = took
        if took > LONG:
            self.long += 1

    def told(self) -> bytes:
        """Both figures; they begin anew."""
        text = f"{self.longest * 1000:.1f} {self.long}"
        self.longest, self.long = 0.0, 0
        return text.encode()


class Namespace(BaseNamespace, RoomsMixin):
    def on_echo(self, *args: Any) -> Any:
        return args

    def on_work(self, milliseconds: float) -> None:
        ends = time.perf_counter() + milliseconds / 1000
        while time.perf_counter() < ends:
            pass

    def on_join(self) -> None:
        """Be one of those that hear what is emitted, which the bystander is not."""
        self.join("crowd")

    def on_emit(self) -> None:
        """Emit without end, and give way now and then as one that emits much has to."""
        while self.socket.connected:
            for _ in range(20):
                self.emit_to_room("crowd", "text", TEXT)
            gevent.sleep(0.001)

    def on_thread(self) -> None:
        emitter = server.middleware.of("").to("crowd")

        def emit() -> None:
            while True:
                emitter.emit("text", TEXT)

        gevent.get_hub().threadpool.spawn(emit)


def page(environ: Any, start_response: Any) -> Any:
    websocket, path = environ.get("wsgi.websocket"), environ["PATH_INFO"]
    if websocket is not None and path == "/pour":
        while not websocket.closed:
            websocket.send(LARGE)
    if websocket is not None and path == "/back":
        for message in websocket:
            websocket.send(message)
    if path == "/long":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter(lambda: PART, b"")
    body = turns.told() if path == "/turns" else b"page"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def django() -> Any:
    """A project of one view, which is a websocket and counts its messages."""
    import django
    from django.conf import settings
    from django.urls import include, re_path

    urls = types.ModuleType("bystander_urls")
    sys.modules["bystander_urls"] = urls
    settings.configure(
        SECRET_KEY="of the benchmark",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="bystander_urls",
        INSTALLED_APPS=["sockio.integrations.django"],
        LOGGING_CONFIG=None,
        SOCKETIO={"origins": "*"},
    )
    django.setup()
    from sockio.integrations.django import get_wsgi_application, namespace, websocket

    @websocket
    def count(request: Any, socket: Any) -> None:
        for _ in socket:
            pass

    namespace("")(Namespace)
    urls.urlpatterns = [  # type: ignore[attr-defined]
        re_path("^count$", count),
        re_path("", include("sockio.integrations.django.urls")),
    ]
    return get_wsgi_application()


kind, folder = sys.argv[1], Path(sys.argv[2])
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
options: dict[str, Any] = {}
if kind == "tls":
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    options["ssl_context"] = context
elif kind == "detach":
    options["without"] = ["detach"]
elif kind == "gevent-websocket":
    from geventwebsocket.handler import WebSocketHandler

    options["handler_class"] = WebSocketHandler
if kind == "django":
    project = django()
    server = SocketIOServer(
        ("127.0.0.1", 0), lambda e, s: (page if e["PATH_INFO"] == "/turns" else project)(e, s)
    )
else:
    server = SocketIOServer(("127.0.0.1", 0), page, {"": Namespace}, **options)
server.start()
# As serve() does, which would say the port in words.
make_ready()
turns = Turns()
sys.stdout.write(f"{server.server_port}\n")
sys.stdout.flush()
server.serve_forever()
