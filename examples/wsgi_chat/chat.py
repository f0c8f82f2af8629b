"""A chat without a framework: names, rooms, who is here.

    sockio serve chat:application

Bare WSGI and sockio, nothing else. The page is ``page.html``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from sockio import BaseNamespace, EventRefused, SocketIOMiddleware

MAX_NAME, MAX_TEXT = 30, 500  # characters
ROOMS = ("lobby", "kitchen", "garden")

# A file of socket.io-client 4.x that pages get from here, in place of the CDN's.
CLIENT = os.environ.get("SOCKIO_CLIENT_JS")
CDN = (
    '<script src="https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/socket.io.min.js" '
    'integrity="sha384-fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1" '
    'crossorigin="anonymous"></script>'
)
OWN = '<script src="/socket.io/socket.io.js"></script>'
PAGE = (Path(__file__).parent / "page.html").read_text("utf-8")


class Chat(BaseNamespace):
    """One page."""

    names: ClassVar[dict[str, Chat]] = {}  # who is here, by name

    def recv_connect(self) -> None:
        self.name = ""
        self.room = ""

    def recv_disconnect(self) -> None:
        if self.name:
            del self.names[self.name]
            self.tell_who_is_here(self.room)

    def on_enter(self, name: object, room: object) -> str:
        """Take a name, or keep it, and go into a room."""
        name = name.strip() if isinstance(name, str) else ""
        if not 0 < len(name) <= MAX_NAME:
            raise EventRefused("bad_name", f"A name has 1 to {MAX_NAME} characters.")
        if self.names.get(name, self) is not self:
            raise EventRefused("taken", f"{name} is here already. Take another name.")
        if not isinstance(room, str) or room not in ROOMS:
            raise EventRefused("no_room", f"The rooms are {', '.join(ROOMS)}.")
        left = self.room
        if left:
            del self.names[self.name]
            self.leave(left)
        self.name, self.room = name, room
        self.names[name] = self
        self.join(room)
        if left:
            self.tell_who_is_here(left)
        self.tell_who_is_here(room)
        return name

    def on_say(self, text: object) -> bool:
        """Say something to the room."""
        if not self.room:
            raise EventRefused("no_name", "Enter a room first.")
        text = text.strip() if isinstance(text, str) else ""
        if not 0 < len(text) <= MAX_TEXT:
            raise EventRefused("bad_text", f"1 to {MAX_TEXT} characters, please.")
        self.emit_to_room(self.room, "said", self.name, text, include_self=True)
        return True

    def tell_who_is_here(self, room: str) -> None:
        here = sorted(name for name, each in self.names.items() if each.room == room)
        self.emit_to_room(room, "here", here, include_self=True)


def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The one page that there is."""
    if environ.get("PATH_INFO", "/") != "/":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"There is one page, /\n"]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    rooms = "".join(f"<option>{room}</option>" for room in ROOMS)
    return [PAGE.replace("$rooms", rooms).replace("$client", OWN if CLIENT else CDN).encode()]


application = SocketIOMiddleware(page, {"": Chat}, client_script=CLIENT or None)
