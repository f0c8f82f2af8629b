"""How a session of Engine.IO begins, or does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sockio.exceptions import PacketError, UsageError
from sockio.protocol.engine_errors import EngineError, error_body, revision_in
from sockio.protocol.engine_handshake import (
    EngineHandshake,
    decode_engine_handshake,
    encode_engine_handshake,
)

BOTH_WAYS = [
    pytest.param(
        EngineHandshake("lv_VI97HAXpY6yYWAAAC", ("websocket",), 25, 20, 1_000_000),
        '0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],'
        '"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}',
        id="as ever",
    ),
    pytest.param(
        EngineHandshake("a", (), 0.3, 0.2, 1),
        '0{"sid":"a","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1}',
        id="over a websocket, short times",
    ),
]


@pytest.mark.parametrize(("handshake", "packet"), BOTH_WAYS)
def test_encode(handshake: EngineHandshake, packet: str) -> None:
    assert encode_engine_handshake(*handshake) == packet


@pytest.mark.parametrize(("handshake", "packet"), BOTH_WAYS)
def test_decode(handshake: EngineHandshake, packet: str) -> None:
    assert decode_engine_handshake(packet) == handshake


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        pytest.param({"sid": ""}, "session id", id="no sid"),
        pytest.param({"sid": None}, "session id", id="sid None"),
        pytest.param({"upgrades": "websocket"}, "list of names", id="upgrades a str"),
        pytest.param({"upgrades": [1]}, "list of names", id="upgrades numbers"),
        pytest.param({"ping_interval": 0}, "ping_interval", id="interval 0"),
        pytest.param({"ping_timeout": -1}, "ping_timeout", id="timeout negative"),
        pytest.param({"ping_timeout": float("nan")}, "ping_timeout", id="timeout NaN"),
        pytest.param({"ping_interval": 10**7}, "large", id="interval beyond setTimeout"),
        pytest.param({"ping_interval": "25"}, "ping_interval", id="interval a str"),
        pytest.param({"max_payload": 0}, "max_payload", id="payload 0"),
        pytest.param({"max_payload": 1e6}, "max_payload", id="payload a float"),
    ],
)
def test_encode_refuses(changes: dict[str, Any], hint: str) -> None:
    given: dict[str, Any] = EngineHandshake("s3cret", (), 25, 20, 1)._asdict()
    with pytest.raises(UsageError, match=hint) as misuse:
        encode_engine_handshake(**{**given, **changes})
    assert "s3cret" not in str(misuse.value)


def test_a_server_of_revision_3_does_not_say_max_payload() -> None:
    packet = '0{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":2}'
    assert decode_engine_handshake(packet) == EngineHandshake("a", (), 0.001, 0.002, 0)


def spoiled(**changes: Any) -> str:
    keys: dict[str, Any] = {
        "sid": "s3cret",
        "upgrades": [],
        "pingInterval": 1,
        "pingTimeout": 2,
        "maxPayload": 3,
    }
    return "0" + json.dumps({**keys, **changes})


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param("", id="nothing"),
        pytest.param("0", id="no data"),
        pytest.param('1{"sid":"s3cret"}', id="another packet"),
        pytest.param("0[]", id="an array"),
        pytest.param("0null", id="null"),
        pytest.param("01", id="a number"),
        pytest.param("0{", id="no JSON"),
        pytest.param('0{"sid":"s3cret"}', id="sid alone"),
        pytest.param("0" + '{"a":' * 50_000, id="deep"),
        pytest.param(spoiled(sid=1), id="sid a number"),
        pytest.param(spoiled(sid=""), id="sid empty"),
        pytest.param(spoiled(upgrades="websocket"), id="upgrades a string"),
        pytest.param(spoiled(upgrades=[1]), id="upgrades numbers"),
        pytest.param(spoiled(upgrades=[[]]), id="upgrades arrays"),
        pytest.param(spoiled(pingInterval=0), id="interval 0"),
        pytest.param(spoiled(pingInterval=1.5), id="interval a fraction"),
        pytest.param(spoiled(pingTimeout=True), id="timeout true"),
        pytest.param(spoiled(pingTimeout=10**300), id="timeout without end"),
        pytest.param(spoiled(maxPayload=-1), id="payload negative"),
        pytest.param(spoiled(maxPayload=None), id="payload null"),
    ],
)
def test_decode_refuses_and_does_not_tell(packet: str) -> None:
    with pytest.raises(PacketError) as refusal:
        decode_engine_handshake(packet)
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        pytest.param(0, 400, '{"code":0,"message":"Transport unknown"}', id="transport"),
        pytest.param(1, 400, '{"code":1,"message":"Session ID unknown"}', id="sid"),
        pytest.param(2, 400, '{"code":2,"message":"Bad handshake method"}', id="method"),
        pytest.param(3, 400, '{"code":3,"message":"Bad request"}', id="request"),
        pytest.param(4, 403, '{"code":4,"message":"Forbidden"}', id="forbidden"),
        pytest.param(5, 400, '{"code":5,"message":"Unsupported protocol version"}', id="version"),
    ],
)
def test_errors(error: int, status: int, body: str) -> None:
    assert error_body(EngineError(error)) == body
    assert EngineError(error).status.startswith(f"{status} ")


def test_a_refusal_may_say_why() -> None:
    assert error_body(EngineError.FORBIDDEN, 'no "guests"') == (
        '{"code":4,"message":"no \\"guests\\""}'
    )


@pytest.mark.parametrize(
    ("query", "revision"),
    [
        pytest.param("EIO=4", 4, id="4"),
        pytest.param("EIO=3", 3, id="3"),
        pytest.param("EIO=4&transport=polling&t=abc", 4, id="first"),
        pytest.param("transport=polling&EIO=3&t=abc", 3, id="in the middle"),
        pytest.param("transport=polling&EIO=4", 4, id="last"),
        pytest.param("", None, id="no query"),
        pytest.param("transport=polling", None, id="missing"),
        pytest.param("EIO=", None, id="empty"),
        pytest.param("EIO", None, id="no value"),
        pytest.param("EIO=abc", None, id="garbled"),
        pytest.param("EIO=5", None, id="5"),
        pytest.param("EIO=2", None, id="2"),
        pytest.param("EIO=44", None, id="44"),
        pytest.param("EIO=04", None, id="leading zero"),
        pytest.param("EIO=4.0", None, id="a fraction"),
        pytest.param("EIO=+4", None, id="plus"),
        pytest.param("EIO=%34", None, id="escaped"),
        pytest.param("EIO=\u0664", None, id="an Arabic four"),
        pytest.param("eio=4", None, id="small letters"),
        pytest.param("XEIO=4", None, id="another name"),
        pytest.param("EIO=4&EIO=3", None, id="both"),
        pytest.param("EIO=4&EIO=4", None, id="twice"),
        pytest.param("&" * 100_000, None, id="ampersands"),
    ],
)
def test_the_revision_in_a_query(query: str, revision: int | None) -> None:
    assert revision_in(query) == revision
