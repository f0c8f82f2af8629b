"""The end of a server: requests under way, and connections that are kept open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from ..support.raw_http import Connection
from ..support.servers import Served, not_ours


def test_stop_waits_for_requests(serve: Callable[..., Served]) -> None:
    began, may_end, ended = Event(), Event(), []

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        began.set()
        may_end.wait()
        ended.append(True)
        return not_ours(environ, start_response)

    server = serve(slow, {})
    with Connection(server.port) as connection:
        connection.request("GET", "/")
        assert began.wait(10)
        gevent.spawn_later(0.1, may_end.set)
        server.server.stop(timeout=1)
        assert ended


def test_a_stopped_server_serves_nobody(serve: Callable[..., Served]) -> None:
    server = serve(not_ours, {})
    with Connection(server.port) as kept:
        assert kept.ask("GET", "/").code == 200
        server.stop()
        assert kept.at_end()
