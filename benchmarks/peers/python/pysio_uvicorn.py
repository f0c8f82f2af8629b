"""The benchmark's server on python-socketio under uvicorn, with its fastest parts."""

from __future__ import annotations

import json
import platform
import socket
from importlib.metadata import version

import socketio
import uvicorn

PACKAGES = ("python-socketio", "python-engineio", "uvicorn", "uvloop", "httptools", "websockets")

sio = socketio.AsyncServer(async_mode="asgi")


@sio.on("echo", namespace="/bench")
async def echo(sid: str, text: str) -> str:
    return text


@sio.on("shout", namespace="/bench")
async def shout(sid: str, text: str) -> None:
    await sio.emit("shout", text, namespace="/bench")


@sio.on("join", namespace="/bench")
async def join(sid: str, room: str) -> bool:
    await sio.enter_room(sid, room, namespace="/bench")
    return True


@sio.on("room", namespace="/bench")
async def room(sid: str, name: str, text: str) -> None:
    await sio.emit("shout", text, room=name, namespace="/bench")


if __name__ == "__main__":
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)
    config = uvicorn.Config(
        socketio.ASGIApp(sio),
        loop="uvloop",
        http="httptools",
        ws="websockets",
        lifespan="off",
        log_level="error",
        access_log=False,
        backlog=4096,
    )
    versions = {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    print(json.dumps({"port": listener.getsockname()[1], "versions": versions}), flush=True)
    uvicorn.Server(config).run(sockets=[listener])
