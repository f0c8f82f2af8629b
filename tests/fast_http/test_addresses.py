"""Whose part of the loop's time a connection has: that of its client's address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from sockio import BaseNamespace
from sockio.runtime.rota import Account, rota_of
from sockio.runtime.workers import WHOSE

from ..support.raw_http import get
from ..support.raw_websocket import RawWebSocket
from ..support.servers import Served, not_ours
from .conftest import Raw

PROXY = "127.0.0.1"
REQUEST = b"GET /socket.io/1/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"


def accounts_of(server: Served) -> set[Account]:
    assert server.server.fast is not None
    return {each._reading.account for each in server.server.fast.connections}


def asked(server: Served) -> Raw:
    """A connection over which something was asked."""
    raw = Raw(server.port)
    raw.send(REQUEST)
    raw.until_quiet(1)
    return raw


def test_the_connections_of_an_address_share_an_account(fast: Served) -> None:
    one, two = asked(fast), asked(fast)
    assert len(accounts_of(fast)) == 1
    one.close()
    two.close()


def test_those_of_a_proxy_have_accounts_of_their_own(serve: Callable[..., Served]) -> None:
    server = serve(not_ours, {"": BaseNamespace}, trusted_proxies=[PROXY])
    one, two = asked(server), asked(server)
    assert len(accounts_of(server)) == 2
    one.close()
    two.close()


def test_a_websocket_behind_a_proxy_is_on_its_clients(serve: Callable[..., Served]) -> None:
    server = serve(not_ours, {"": BaseNamespace}, trusted_proxies=[PROXY])
    told = {"X-Forwarded-For": "192.0.2.8"}
    sid = get(server.port, "/socket.io/1/", told).body.partition(":")[0]
    accounts = rota_of(gevent.get_hub())._accounts
    assert "192.0.2.8" not in accounts
    with RawWebSocket(server.port, sid, headers=told) as websocket:
        assert websocket.hear() == "1::"
        assert "192.0.2.8" in accounts


def test_the_task_of_a_page_works_for_its_client(serve: Callable[..., Served]) -> None:
    def page(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [getattr(gevent.getcurrent(), WHOSE, "nobody").encode()]

    assert get(serve(page, {}).port, "/").body == "127.0.0.1"
    assert get(serve(page, {}, trusted_proxies=[PROXY]).port, "/").body == "nobody"
