"""As the ancestor's applications are: no middleware, and a view that lets clients in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from chat import Chat, pages  # type: ignore[import-not-found]

from sockio import socketio_manage


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"].startswith("/socket.io/"):
        return socketio_manage(environ, {"/chat": Chat})
    answer: Iterable[bytes] = pages(environ, start_response)
    return answer
