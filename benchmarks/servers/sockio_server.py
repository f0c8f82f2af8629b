"""The benchmark's server on sockio; ``--server`` chooses what runs it."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402
import contextlib  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
from collections.abc import Callable, Iterable  # noqa: E402
from importlib.metadata import PackageNotFoundError, version  # noqa: E402
from typing import Any  # noqa: E402

from gevent.pywsgi import WSGIServer  # noqa: E402

import sockio  # noqa: E402
from sockio import BaseNamespace, BroadcastMixin, RoomsMixin, SocketIOMiddleware  # noqa: E402
from sockio.server import SocketIOServer  # noqa: E402

BACKLOG = 4096


class Bench(BaseNamespace, RoomsMixin, BroadcastMixin):
    """What every server in the field does, in sockio's words."""

    def on_echo(self, text: str) -> str:
        return text

    def on_shout(self, text: str) -> None:
        self.broadcast_event("shout", text)

    def on_join(self, room: str) -> bool:
        self.join(room)
        return True

    def on_room(self, room: str, text: str) -> None:
        self.emit_to_room(room, "shout", text, include_self=True)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The application that sockio is mounted on."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"not ours"]


def make_server(kind: str, settings: dict[str, Any]) -> Any:
    """A server on a port that the system chooses.

    "own" is SocketIOServer, "plain" is gevent's, and "parked" is gevent's with the handler of
    gevent-websocket, under which a websocket keeps the greenlet of its request.
    """
    app = SocketIOMiddleware(application, {"/bench": Bench}, **settings)
    listener = ("127.0.0.1", 0)
    if kind == "own":
        return SocketIOServer(listener, app, backlog=BACKLOG)
    if kind == "plain":
        return WSGIServer(listener, app, backlog=BACKLOG, log=None)
    from geventwebsocket.handler import WebSocketHandler

    return WSGIServer(listener, app, handler_class=WebSocketHandler, backlog=BACKLOG, log=None)


def versions() -> dict[str, str]:
    """What is measured, with those accelerators that are installed."""
    found = {"Python": platform.python_version(), "sockio": sockio.__version__}
    for name in ("gevent", "websockets", "httptools", "orjson"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", choices=["own", "plain", "parked"], default="own")
    parser.add_argument("--settings", type=json.loads, default={}, help="of sockio, as JSON")
    options = parser.parse_args()
    server = make_server(options.server, options.settings)
    server.start()
    print(json.dumps({"port": server.server_port, "versions": versions()}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
