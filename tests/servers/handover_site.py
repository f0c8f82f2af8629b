"""A site of which nothing may be missed: started by its module name, in several processes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from sockio import BaseNamespace, RoomsMixin, SocketIOMiddleware
from sockio.integrations.uwsgi_websocket import with_websockets


class Chat(BaseNamespace, RoomsMixin):
    def recv_connect(self) -> None:
        if self.recovered:
            print("came back", flush=True)  # noqa: T201
            return
        print("began anew", flush=True)  # noqa: T201
        self.session["user"] = os.getpid()
        self.join("lobby")

    def on_recall(self) -> list[Any]:
        """Its worker, and what it remembers."""
        return [os.getpid(), self.session.get("user")]


def pages(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """``/say/NUMBER`` tells all of a number, and answers which process has."""
    page, _, number = environ["PATH_INFO"][1:].partition("/")
    if page == "say":
        middleware.of("/chat").to("lobby").emit("number", os.getpid(), int(number))
    body = b"%d" % os.getpid()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


# Found by a pattern: no worker hears other hosts there before it has a client.
namespaces = {re.compile("/chat"): Chat} if "BACKPLANE" in os.environ else {"/chat": Chat}
middleware = SocketIOMiddleware(
    pages, namespaces, recovery=60, backplane=os.environ.get("BACKPLANE", "")
)
application = with_websockets(middleware)
