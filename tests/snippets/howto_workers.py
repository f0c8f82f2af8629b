"""What a reader of the page on workers has."""

from __future__ import annotations

from webob import Response

from sockio import BaseNamespace, SocketIOMiddleware

pages = Response()
cache: dict[str, list[str]] = {}


class Chat(BaseNamespace):
    pass


middleware = socketio = SocketIOMiddleware(pages, {"/chat": Chat})


def my_name() -> str:
    return ""


def our_people() -> list[str]:
    return []


def learn(worker: str, people: list[str], history: list[str]) -> None:
    pass
