"""An application that says what it is given: the environ of each handshake, which its view sees,
without what differs between any two requests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from chat import Chat, pages  # type: ignore[import-not-found]

from sockio import SocketIOMiddleware, socketio_manage

#: Whose values differ by nature.
OWN = ("HTTP_HOST", "REMOTE_PORT", "SERVER_PORT", "socketio", "sockio")


def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if "socketio" in environ:
        seen = {
            key: value if isinstance(value, (str, bool)) and key not in OWN else "there"
            for key, value in sorted(environ.items())
        }
        # A question that any socket answers.
        assert environ["gunicorn.sock"].getpeername() is not None
        print("environ:", json.dumps(seen), flush=True)  # noqa: T201
        socketio_manage(environ, {"/chat": Chat})
    answer: Iterable[bytes] = pages(environ, start_response)
    return answer


application = SocketIOMiddleware(view, without=os.environ.get("WITHOUT", ""))
