"""An application that says how its process is set."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from sockio import SocketIOMiddleware

if "INTERVAL" in os.environ:
    sys.setswitchinterval(float(os.environ["INTERVAL"]))


def pages(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = f"{gc.get_freeze_count()} {sys.getswitchinterval():g}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


application = SocketIOMiddleware(pages)
