"""A page from one origin, its sockets at another, and a third origin that may not use them.

    python examples/cross_origin/run.py

One program with three servers, so that one line starts them; they share nothing but each other's
addresses. No framework: bare WSGI, and WebOb, which comes with sockio.
"""

from __future__ import annotations

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()  # here, because what is imported earlier keeps what blocks

import logging
import mimetypes
import os
import signal
import socket
import string
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from gevent.pywsgi import WSGIServer
from webob import Response

from sockio import BaseNamespace, BroadcastMixin, EventRefused, SocketIOMiddleware
from sockio.server import SocketIOServer

HOST = "127.0.0.1"
FIRST_PORT = 8000  # and the two after it; the variable PORT says otherwise, and 0 takes any three
MAX_TEXT = 200  # characters of what one page says to the others

HERE = Path(__file__).parent
# The client, 4.x, if it is not on this machine; the browser takes this very file.
CDN = "https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/socket.io.min.js"
INTEGRITY = "sha384-fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


# ---- The sockets


class DemoNamespace(BaseNamespace, BroadcastMixin):
    """One connected page, which knows from its handshake what page that is."""

    def recv_connect(self) -> None:
        self.origin = self.environ.get("HTTP_ORIGIN", "a program that is no browser")
        self.emit("welcome", self.origin)
        self.broadcast_event_not_me("came", self.origin)

    def recv_disconnect(self) -> None:
        self.broadcast_event_not_me("went", self.origin)

    def on_say(self, text: object) -> str:
        """Tells the other pages; the ack tells this one what its words came over."""
        if not (isinstance(text, str) and 0 < len(text.strip()) <= MAX_TEXT):
            raise EventRefused("bad_text", f"1 to {MAX_TEXT} characters, please.")
        self.broadcast_event_not_me("said", self.origin, text.strip())
        return self.socket.transport


class LogOnThePage(logging.Handler):
    """Shows the server's own words about refusals on the pages that are connected.

    For this demonstration: the page that is refused cannot be told, as no browser would let it read
    the answer.
    """

    def __init__(self, sockets: SocketIOMiddleware) -> None:
        super().__init__(logging.WARNING)
        self._pages = sockets.of("/demo")

    def emit(self, record: logging.LogRecord) -> None:
        self._pages.emit("log", self.format(record))


def make_sockets(page: str) -> SocketIOMiddleware:
    """The application at the second origin, for pages of the first.

    ``origins`` is what this example is about. It lists who may connect in addition to pages from
    the server's own origin, as browsers write it: scheme, host and port, so ``http://localhost``
    would be somebody else. Each request is asked, not only the first: whoever learns a session's
    id from elsewhere cannot go on with it, nor open a websocket.
    """
    sockets = SocketIOMiddleware(nothing_else, {"/demo": DemoNamespace}, origins=[page])
    logging.getLogger("sockio").addHandler(LogOnThePage(sockets))
    return sockets


def nothing_else(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return Response("There are only sockets here.\n", 404, content_type="text/plain")(
        environ, start_response
    )


# ---- The page, which is the same at both of its origins


class Pages:
    """The files of this folder that make the page, with the addresses filled in."""

    def __init__(self, page: str, sockets: str, stranger: str) -> None:
        self.client = find_client()
        source = "/socket.io.js" if self.client else CDN
        pinned = "" if self.client else f' integrity="{INTEGRITY}" crossorigin="anonymous"'
        blanks = {
            "client": source,
            "integrity": pinned,
            "page": page,
            "sockets": sockets,
            "stranger": stranger,
        }
        self.html = string.Template((HERE / "page.html").read_text("utf-8")).substitute(blanks)
        live = sockets.replace("http:", "ws:")
        # What a page that fetches from elsewhere has to say, if it says anything: the sockets'
        # origin for requests and websockets.
        self.policy = (
            f"default-src 'self'; script-src 'self'{'' if self.client else ' ' + CDN}; "
            f"connect-src {sockets} {live}; frame-src {stranger}; "
            f"img-src data:; frame-ancestors {page}; base-uri 'none'"
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer = self.find(environ.get("PATH_INFO", ""))
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Cache-Control"] = "no-cache"
        return answer(environ, start_response)

    def find(self, path: str) -> Response:
        if path == "/":
            headers = [("Content-Security-Policy", self.policy)]
            return Response(
                self.html, headerlist=[("Content-Type", "text/html; charset=UTF-8"), *headers]
            )
        files = {"/page.css": HERE / "page.css", "/page.js": HERE / "page.js"}
        if self.client:
            files["/socket.io.js"] = self.client
        if path not in files:
            return Response("Not found\n", 404, content_type="text/plain")
        kind = mimetypes.guess_type(path)[0]
        return Response(files[path].read_bytes(), content_type=kind, charset="UTF-8")


def find_client() -> Path | None:
    """The JavaScript client's file, or None for the one of the CDN."""
    named = os.environ.get("SOCKIO_CLIENT_JS")
    if named:
        return Path(named).resolve(strict=True)
    here = HERE / "node_modules" / "socket.io-client" / "dist" / "socket.io.js"
    return here if here.exists() else None


# ---- All three servers


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    first = int(os.environ.get("PORT", FIRST_PORT))
    # Listening before anything is served: each has to know the others' addresses.
    listeners = [socket.create_server((HOST, first and first + n)) for n in range(3)]
    sockets, page, stranger = (f"http://{HOST}:{one.getsockname()[1]}" for one in listeners)
    pages = Pages(page, sockets, stranger)
    servers = [
        SocketIOServer(listeners[0], make_sockets(page)),
        WSGIServer(listeners[1], pages, log=None),
        WSGIServer(listeners[2], pages, log=None),
    ]
    for server in servers:
        server.start()
    print(f"sockets: serving on {sockets}")
    print(f"a page that they refuse: serving on {stranger}")
    print(f"the page that they allow: serving on {page}  <- open this one", flush=True)

    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stop.set)
    stop.wait()
    for server in servers:
        server.stop()


if __name__ == "__main__":
    main()
