"""What the middleware adds to a request that is not for it; prints JSON, in seconds a call."""

from __future__ import annotations

import json
import timeit
from collections.abc import Callable, Iterable
from typing import Any

from sockio import BaseNamespace, SocketIOMiddleware

CALLS = 100_000
REPEATS = 15
PATHS = ("/", "/static/js/application.js", "/socket.iox/1/")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return ()


def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any: ...


def seconds(app: Callable[..., Iterable[bytes]], path: str) -> float:
    """The best of several: what disturbs only ever adds."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": ""}
    timer = timeit.Timer(lambda: app(environ, start_response))
    return min(timer.repeat(REPEATS, CALLS // REPEATS)) / (CALLS // REPEATS)


def main() -> None:
    wrapped = SocketIOMiddleware(application, {"/bench": BaseNamespace})
    without = {path: seconds(application, path) for path in PATHS}
    with_it = {path: seconds(wrapped, path) for path in PATHS}
    added = max(with_it[path] - without[path] for path in PATHS)
    print(json.dumps({"without": without, "with": with_it, "added": added}))


if __name__ == "__main__":
    main()
