"""A graph of this machine's load, drawn while it happens in every window that looks.

    sockio serve graph:application

One task measures, once a second, as long as anybody looks; each measurement is sent to all.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent

from sockio import BaseNamespace, SocketIOMiddleware

SECONDS = float(os.environ.get("SECONDS", "1"))  # between two measurements
KEPT = 60  # measurements that whoever comes is shown at once

# A file of socket.io-client 4.x that pages get from here, in place of the CDN's.
CLIENT = os.environ.get("SOCKIO_CLIENT_JS")
CDN = (
    '<script src="https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/socket.io.min.js" '
    'integrity="sha384-fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1" '
    'crossorigin="anonymous"></script>'
)
OWN = '<script src="/socket.io/socket.io.js"></script>'
PAGE = (Path(__file__).parent / "page.html").read_text("utf-8")


class Meter:
    """Measures while somebody looks."""

    def __init__(self) -> None:
        self.latest: deque[float] = deque(maxlen=KEPT)
        self.watchers = 0
        self._task: gevent.Greenlet[..., Any] | None = None

    def come(self) -> None:
        self.watchers += 1
        if not self._task:
            self._task = gevent.spawn(self._measure)

    def go(self) -> None:
        self.watchers -= 1

    def _measure(self) -> None:
        while self.watchers:
            load = round(os.getloadavg()[0], 2)
            self.latest.append(load)
            # Nobody waits for an old measurement: who cannot take it now gets the next one.
            application.of("/load").emit("load", load, volatile=True)
            gevent.sleep(SECONDS)


meter = Meter()


class Load(BaseNamespace):
    """One window that looks."""

    def recv_connect(self) -> None:
        self.emit("so far", list(meter.latest))
        meter.come()

    def recv_disconnect(self) -> None:
        meter.go()


def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The one page that there is."""
    if environ.get("PATH_INFO", "/") != "/":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"There is one page, /\n"]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [PAGE.replace("$client", OWN if CLIENT else CDN).replace("$kept", str(KEPT)).encode()]


application = SocketIOMiddleware(page, {"/load": Load}, client_script=CLIENT or None)
