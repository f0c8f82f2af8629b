"""Real servers on loopback, on a port of the system's choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sockio import SocketIOMiddleware
from sockio.server import SocketIOServer


def not_ours(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The application behind the middleware: says which path it was asked for."""
    body = f"app:{environ.get('PATH_INFO')}".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


class Served:
    """One running server."""

    def __init__(self, server: SocketIOServer) -> None:
        self.server = server
        self.middleware: SocketIOMiddleware = server.middleware
        self.registry = server.middleware.registry

    @property
    def port(self) -> int:
        port = self.server.server_port
        assert port is not None
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        # Clients keep connections open; nobody needs them to be waited for.
        self.server.stop(timeout=0.1)


@contextmanager
def serving() -> Iterator[Any]:
    """Gives a function that starts servers; they are stopped, and checked, at the end."""
    started: list[Served] = []

    def start(
        app: Callable[..., Any] = not_ours,
        namespaces: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Served:
        server = SocketIOServer(("127.0.0.1", 0), app, namespaces, **options)
        server.start()
        served = Served(server)
        started.append(served)
        return served

    try:
        yield start
        for served in started:
            served.registry.check()
    finally:
        for served in started:
            served.stop()
