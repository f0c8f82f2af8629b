"""The application that every server here serves: started by its module name, in its own process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sockio import BaseNamespace, RoomsMixin, SocketIOMiddleware


class Chat(BaseNamespace, RoomsMixin):
    def recv_connect(self) -> None:
        print(f"connect: {self.ns_name}\n", end="", flush=True)  # noqa: T201

    def recv_disconnect(self, reason: str) -> None:
        # In one piece: others write to the same pipe.
        print(f"disconnect: {self.ns_name} {reason}\n", end="", flush=True)  # noqa: T201

    def recv_message(self, data: str) -> None:
        self.send(data)

    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_size(self, text: str) -> int:
        return len(text)

    def on_carried_by(self) -> str:
        return self.socket.transport

    def on_enter(self, room: str) -> None:
        self.join(room)

    def on_say(self, room: str, text: str) -> bool:
        self.emit_to_room(room, "said", text)
        return True


def pages(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The rest of the site."""
    if environ["PATH_INFO"] == "/own" and "wsgi.websocket" in environ:
        websocket = environ["wsgi.websocket"]
        while (message := websocket.receive()) is not None:
            websocket.send(message)
        return []
    body = f"{environ.get('SCRIPT_NAME')}|{environ.get('PATH_INFO')}".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


application = SocketIOMiddleware(pages, {"/chat": Chat})


class Around:
    """A middleware of somebody else's around it, as sites have them."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    def __call__(self, *args: Any) -> Any:
        return self.app(*args)


wrapped_again = Around(application)
