"""A middleware with a gate, out of sight of every server that serves this: HIDDEN names what is
around it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sockio import BaseNamespace, SocketIOMiddleware, socketio_manage

App = Callable[..., Iterable[bytes]]

FRIEND = "http://friend.example"


class Chat(BaseNamespace):
    def recv_message(self, data: str) -> None:
        self.send(data)

    def recv_disconnect(self, reason: str) -> None:
        # In one piece: others write to the same pipe.
        print(f"disconnect: {self.ns_name} {reason}\n", end="", flush=True)  # noqa: T201


def pages(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path.startswith("/socket.io/"):
        # A view that would let everybody in.
        return socketio_manage(environ, {"": Chat, "/chat": Chat})
    if path == "/tell":
        inner.of("/chat").send("told")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return [b""]


inner = SocketIOMiddleware(
    pages,
    {"/chat": Chat},
    origins=[FRIEND],
    authorize=lambda request: request.headers.get("X-Key") == "open",
    close_timeout=47,
    max_head=4000,
)


class Slots:
    __slots__ = ("app",)

    def __init__(self, app: App) -> None:
        self.app = app

    def __call__(self, *args: Any) -> Iterable[bytes]:
        return self.app(*args)


class Bound:
    def __init__(self, app: App) -> None:
        self.app = app

    def serve(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.app(environ, start_response)


def partial(app: App) -> App:
    def call(app: App, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return app(environ, start_response)

    return functools.partial(call, app)


def dispatching(app: App) -> App:
    ways = {"any": lambda *args: app(*args)}
    return lambda environ, start_response: ways["any"](environ, start_response)


def generator(app: App) -> App:
    def generate(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        yield from app(environ, start_response)

    return generate


def prefixed(app: App) -> App:
    def mounts(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return app({**environ, "SCRIPT_NAME": "/site"}, start_response)

    return mounts


def lazy(app: App) -> App:
    made: list[App] = []

    def makes(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not made:
            made.append(Slots(app))
        return made[0](environ, start_response)

    return makes


def again(app: App) -> App:
    return Slots(SocketIOMiddleware(Slots(app), origins="*"))


def by_host(app: App) -> App:
    sites = {"plain.example": pages}

    def chooses(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return sites.get(environ.get("HTTP_HOST", ""), app)(environ, start_response)

    return chooses


LAYERS: dict[str, Callable[[App], App]] = {
    "slots": Slots,
    "bound": lambda app: Bound(app).serve,
    "partial": partial,
    "dispatching": dispatching,
    "generator": generator,
    "prefixed": prefixed,
    "lazy": lazy,
    "again": again,
    "by host": by_host,
}


def seen(app: App) -> App:
    def sees(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        print("seen:", environ["REQUEST_METHOD"], path[:30], flush=True)  # noqa: T201
        return app(environ, start_response)

    return sees


application = seen(LAYERS[os.environ.get("HIDDEN", "slots")](inner))


def paste_factory(global_conf: dict[str, str]) -> Any:
    return application
