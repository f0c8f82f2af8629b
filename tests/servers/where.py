"""An application that says which process it is in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from sockio import BaseNamespace, SocketIOMiddleware


class Where(BaseNamespace):
    def on_where(self) -> tuple[str, int]:
        return os.environ["SOCKIO_WORKER"], os.getpid()


def pages(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/slow":
        print("asked to be slow", flush=True)  # noqa: T201
        time.sleep(float(environ["QUERY_STRING"] or 0.5))
    name = path.strip("/").upper()
    said = os.environ.get(name) or f"{os.environ['SOCKIO_WORKER']} {os.getpid()}"
    if name == "MULTIPROCESS":
        said = str(environ["wsgi.multiprocess"])
    body = said.encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


application = SocketIOMiddleware(pages, {"": Where})


def create(word: str) -> Callable[..., Any]:
    """The pages alone, which the server wraps; what is wrong is in a file."""
    if os.path.exists("broken"):
        raise LookupError(f"no {word}")
    return pages


def nobody(request: Any) -> bool:
    return False
