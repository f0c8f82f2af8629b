"""The benchmark's server on python-socketio under gevent, with gevent-websocket as it asks for."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import platform  # noqa: E402
from importlib.metadata import version  # noqa: E402

import socketio  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from geventwebsocket.handler import WebSocketHandler  # noqa: E402

PACKAGES = ("python-socketio", "python-engineio", "gevent", "gevent-websocket")

sio = socketio.Server(async_mode="gevent")


@sio.on("echo", namespace="/bench")
def echo(sid: str, text: str) -> str:
    return text


@sio.on("shout", namespace="/bench")
def shout(sid: str, text: str) -> None:
    sio.emit("shout", text, namespace="/bench")


@sio.on("join", namespace="/bench")
def join(sid: str, room: str) -> bool:
    sio.enter_room(sid, room, namespace="/bench")
    return True


@sio.on("room", namespace="/bench")
def room(sid: str, name: str, text: str) -> None:
    sio.emit("shout", text, room=name, namespace="/bench")


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
    print(json.dumps({"port": server.server_port, "versions": versions}), flush=True)
    server.serve_forever()
