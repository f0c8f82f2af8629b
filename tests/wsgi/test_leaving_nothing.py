"""What is refused leaves nothing for the garbage collector.

Anybody can ask for it thousands of times a second, and the collector, which comes late, stops
everybody.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest

from sockio import BaseNamespace, ConnectionRefused, socketio_manage

from ..support.engine_client import EngineWire
from ..support.raw_http import Connection, get
from ..support.raw_websocket import upgrade_request
from ..support.servers import Served
from ..support.transcript import eventually

POLLING = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = POLLING.replace("polling", "websocket")
OLD = "/socket.io/1/"


class Open(BaseNamespace):
    pass


class Failing(BaseNamespace):
    def recv_connect(self) -> None:
        raise KeyError("x")


def lets_in(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    start_response("200 OK", [])
    return socketio_manage(environ, {"": Open})


def raises(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    raise KeyError("x")


def refuses(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    start_response("403 Forbidden", [])
    return [b"no"]


def authorize_fails(request: Any) -> bool:
    raise KeyError("x")


def authorize_refuses(request: Any) -> bool:
    raise ConnectionRefused("x")


Ask = Callable[[int], object]


def asks(path: str, **headers: str) -> Ask:
    return lambda port: get(port, path, headers)


def upgrades(path: str, key: str = "", version: str = "") -> Ask:
    def ask(port: int) -> object:
        headers: dict[str, str | None] = {}
        if key:
            headers["Sec-WebSocket-Key"] = key
        if version:
            headers["Sec-WebSocket-Version"] = version
        with Connection(port) as connection:
            connection.send(upgrade_request(path, port, headers))
            return connection.answer()

    return ask


def joins_and_leaves(port: int) -> object:
    with EngineWire(port) as wire:
        wire.say("40")
        assert wire.hear().startswith("4")
        wire.say("1")
        return wire.at_end()


MAPPING: dict[str, Any] = {"namespaces": {"": Open}}


@pytest.mark.parametrize("without", ["", "http"], ids=["fast path", "pywsgi"])
@pytest.mark.parametrize(
    ("settings", "ask"),
    [
        pytest.param({"app": raises}, asks(POLLING), id="a view that raises"),
        pytest.param({"app": raises}, asks(OLD), id="a view that raises, 0.9"),
        pytest.param({"app": raises}, upgrades(WEBSOCKET), id="a view that raises, websocket"),
        pytest.param({"app": refuses}, asks(POLLING), id="a view that refuses"),
        pytest.param({"app": refuses}, asks(OLD), id="a view that refuses, 0.9"),
        pytest.param({**MAPPING, "authorize": authorize_fails}, asks(POLLING), id="authorize"),
        pytest.param({**MAPPING, "authorize": authorize_fails}, asks(OLD), id="authorize, 0.9"),
        pytest.param({**MAPPING, "authorize": authorize_refuses}, asks(POLLING), id="a refusal"),
        pytest.param(MAPPING, asks(POLLING, Origin="http://a.example"), id="an origin"),
        pytest.param(MAPPING, upgrades(WEBSOCKET, version="99"), id="a version"),
        pytest.param(MAPPING, upgrades(WEBSOCKET, key="x"), id="a key"),
        pytest.param({"app": lets_in}, upgrades(WEBSOCKET, key="x"), id="a key, with a view"),
        pytest.param(MAPPING, upgrades(WEBSOCKET + "&sid=x"), id="no session"),
        pytest.param({"namespaces": {"": Failing}}, joins_and_leaves, id="recv_connect"),
        pytest.param(MAPPING, joins_and_leaves, id="nothing"),
        pytest.param({**MAPPING, "max_unopened": 1}, asks(POLLING), id="max_unopened"),
    ],
)
def test_p1_what_is_refused_is_gone_at_once(
    serve: Callable[..., Served],
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, Any],
    ask: Ask,
    without: str,
) -> None:
    # Captured records would hold what they speak of.
    caplog.set_level(logging.CRITICAL)
    server = serve(**settings, without=without)

    def nobody_is_asking() -> bool:
        pool, fast = server.server.pool, server.server.fast
        return not len(pool or ()) and not (fast is not None and fast.connections)

    ask(server.port)
    eventually(nobody_is_asking, "it is over")
    # What there was before is not looked at, which saves most of the time.
    gc.freeze()
    gc.disable()
    try:
        for _ in range(3):
            ask(server.port)
        eventually(nobody_is_asking, "they are over")
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
    finally:
        gc.set_debug(0)
        gc.enable()
        gc.unfreeze()
    ours = {type(each).__qualname__ for each in gc.garbage if "sockio" in type(each).__module__}
    gc.garbage.clear()
    assert not ours
