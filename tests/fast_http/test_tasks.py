"""Requests that are answered in tasks: who comes anew does not wait for hundreds of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sockio import BaseNamespace
from sockio.runtime.jobs import ROOM

from ..support.servers import Served, not_ours
from .conftest import Raw

REQUEST = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"


def test_input_waits_while_tasks_have_not_begun(serve: Callable[..., Served]) -> None:
    waiting: list[int] = []

    def authorize(environ: Mapping[str, Any]) -> bool:
        waiting.append(len(server.server.fast._jobs))  # type: ignore[union-attr]
        return True

    server = serve(not_ours, {"": BaseNamespace}, authorize=authorize)
    comers = [Raw(server.port) for _ in range(5 * ROOM)]
    for raw in comers:
        raw.send(REQUEST)
        raw.until_quiet(1)
    waiting.clear()
    for raw in comers:
        # All of it before the loop looks for input.
        raw.sock._sock.send(REQUEST)
    for raw in comers:
        assert raw.until_quiet(1).startswith(b"HTTP/1.1 200 ")
        raw.close()
    assert len(waiting) == len(comers)
    assert 0 < max(waiting) <= ROOM
    assert not server.server.fast._jobs  # type: ignore[union-attr]
