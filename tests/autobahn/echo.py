"""A server whose websockets send back what they get: ``python tests/autobahn/echo.py PORT``."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterable  # noqa: E402
from typing import Any  # noqa: E402

from sockio.server import serve  # noqa: E402


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    websocket = environ.get("wsgi.websocket")
    if websocket is None:
        start_response("404 Not Found", [])
        return []
    for message in websocket:
        websocket.send(message)
    return []


if __name__ == "__main__":
    # What the cases do wrong is no news.
    logging.disable(logging.WARNING)
    # Cases 9 send 16 MB.
    serve(application, "127.0.0.1", int(sys.argv[1]), max_payload=20_000_000)
