"""Websockets without Socket.IO: a chat, an echo and a ping, in bare WSGI.

    python examples/websocket/run.py

No framework, and no client but what browsers have: sockio puts the websocket into the environ of
each request that asks for one.
"""

from __future__ import annotations

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()  # here, because what is imported earlier keeps what blocks

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent
from gevent.queue import Full, Queue

from sockio import WebSocketClosed
from sockio.http.rawsocket import OfferedWebSocket
from sockio.server import serve

HERE = Path(__file__).parent

#: Messages that wait for a visitor who reads slowly; who has more to read is out.
WAITING = 100
#: Seconds between two ticks.
TICK = 1.0


class Chat:
    """Everybody hears what anybody says."""

    def __init__(self) -> None:
        self.visitors: dict[OfferedWebSocket, Queue[str | None]] = {}

    def __call__(self, websocket: OfferedWebSocket) -> None:
        if not websocket.open():
            return
        waiting: Queue[str | None] = Queue(WAITING)
        # A task of its own sends, so that who speaks does not wait for who reads slowly.
        sending = gevent.spawn(deliver, waiting, websocket)
        self.visitors[websocket] = waiting
        self.tell("somebody came", len(self.visitors))
        try:
            for message in websocket:
                self.tell(str(message), len(self.visitors))
        finally:
            del self.visitors[websocket]
            sending.kill()
            self.tell("somebody left", len(self.visitors))

    def tell(self, text: str, there: int) -> None:
        line = json.dumps({"text": text, "there": there})
        for websocket, waiting in list(self.visitors.items()):
            try:
                waiting.put_nowait(line)
            except Full:
                gevent.spawn(websocket.close, 1008, "too slow")


def deliver(waiting: Queue[str | None], websocket: OfferedWebSocket) -> None:
    """Send what waits, until the visitor has left."""
    try:
        for line in waiting:
            websocket.send(line)
    except WebSocketClosed:
        pass


def echo(websocket: OfferedWebSocket) -> None:
    """What comes goes back: text as text, bytes as bytes."""
    for message in websocket:
        websocket.send(message)


def ping(websocket: OfferedWebSocket) -> None:
    """A tick each second, and an answer to each message in between."""
    began = time.monotonic()
    while not websocket.closed:
        try:
            message = websocket.receive(timeout=TICK)
        except TimeoutError:
            websocket.send(f"tick {time.monotonic() - began:.0f}")
        else:
            if message is not None:
                websocket.send(f"pong {message!s}")


VIEWS: dict[str, Callable[[OfferedWebSocket], object]] = {
    "/chat": Chat(),
    "/echo": echo,
    "/ping": ping,
}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    websocket = environ.get("wsgi.websocket")
    view = VIEWS.get(path)
    if view is not None and websocket is not None:
        # The upgrade is answered when the view uses it: not for a path that is none of these.
        view(websocket)
        return []
    if path == "/":
        start_response("200 OK", [("Content-Type", "text/html; charset=UTF-8")])
        return [(HERE / "page.html").read_bytes()]
    if view is not None:
        start_response("400 Bad Request", [("Content-Type", "text/plain")])
        return [b"This address is for websockets.\n"]
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"Not found\n"]


if __name__ == "__main__":
    serve(application, "127.0.0.1", int(os.environ.get("PORT", "8000")))
