"""One worker of several on python-socketio under gevent, which its RedisManager joins:
``pysio_redis.py URL``. The first line says the port, the process and the versions."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import sys  # noqa: E402
from importlib.metadata import version  # noqa: E402

import socketio  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from geventwebsocket.handler import WebSocketHandler  # noqa: E402

PACKAGES = ("python-socketio", "python-engineio", "gevent", "gevent-websocket", "redis", "hiredis")

sio = socketio.Server(
    async_mode="gevent",
    client_manager=socketio.RedisManager(sys.argv[1]),
    ping_interval=1000,
)


@sio.event
def connect(sid: str, environ: dict, auth: object = None) -> None:
    sio.enter_room(sid, "all")


@sio.on("echo")
def echo(sid: str, text: str) -> str:
    return text


@sio.on("emit")
def emit(sid: str, count: int, text: str) -> None:
    for _ in range(count):
        sio.emit("text", text, room="all")


if __name__ == "__main__":
    server = WSGIServer(
        ("127.0.0.1", 0),
        socketio.WSGIApp(sio),
        handler_class=WebSocketHandler,
        backlog=4096,
        log=None,
    )
    server.start()
    versions = {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    print(
        json.dumps({"port": server.server_port, "pids": [os.getpid()], "versions": versions}),
        flush=True,
    )
    server.serve_forever()
