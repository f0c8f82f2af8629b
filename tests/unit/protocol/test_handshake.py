"""The handshake line: rows of (handshake, line), read in both directions."""

from __future__ import annotations

from typing import Any

import pytest

from sockio.exceptions import PacketError, UsageError
from sockio.protocol.handshake import Handshake, decode_handshake, encode_handshake

BOTH_WAYS = [
    pytest.param(
        Handshake("4d4f185e96a7b", 60, 60, ("websocket", "xhr-polling")),
        "4d4f185e96a7b:60:60:websocket,xhr-polling",
        id="as ever",
    ),
    pytest.param(
        Handshake("a_b-C", 15.0, 25.0, ("htmlfile",)), "a_b-C:15:25:htmlfile", id="whole floats"
    ),
    pytest.param(Handshake("a", 0.5, 2.25, ("x",)), "a:0.5:2.25:x", id="fractions"),
    pytest.param(Handshake("a", 0.001, 60.125, ("x",)), "a:0.001:60.125:x", id="milliseconds"),
    pytest.param(Handshake("a", 100, 2_147_483, ("x",)), "a:100:2147483:x", id="long timeouts"),
]


@pytest.mark.parametrize(("handshake", "line"), BOTH_WAYS)
def test_encode(handshake: Handshake, line: str) -> None:
    assert encode_handshake(*handshake) == line


@pytest.mark.parametrize(("handshake", "line"), BOTH_WAYS)
def test_decode(handshake: Handshake, line: str) -> None:
    assert decode_handshake(line) == handshake


@pytest.mark.parametrize(
    ("timeout", "field"),
    [
        pytest.param(60.0, "60", id="no decimal point"),
        pytest.param(0.1 + 0.2, "0.3", id="short decimals"),
        pytest.param(1 / 3, "0.333", id="to the millisecond"),
        pytest.param(59.9999, "60", id="rounded up to a whole number"),
        pytest.param(1_000_000.0, "1000000", id="no exponent"),
    ],
)
def test_timeouts_are_short_decimals(timeout: float, field: str) -> None:
    assert encode_handshake("a", timeout, timeout, ["x"]) == f"a:{field}:{field}:x"


def test_transports_may_come_from_any_iterable() -> None:
    assert encode_handshake("a", 60, 60, iter(["x", "y"])) == "a:60:60:x,y"
    assert encode_handshake("a", 60, 60, "xhr-polling") == "a:60:60:xhr-polling"


@pytest.mark.parametrize(
    ("line", "handshake"),
    [
        pytest.param("a:::x", Handshake("a", 0.0, 0.0, ("x",)), id="timeouts left empty"),
        pytest.param("a:60::x", Handshake("a", 60.0, 0.0, ("x",)), id="close timeout left empty"),
        pytest.param("a:60:60:", Handshake("a", 60.0, 60.0, ()), id="no transports"),
        pytest.param("a:60:60:x,,y,", Handshake("a", 60.0, 60.0, ("x", "y")), id="empty names"),
        pytest.param("a:060:.5:x", Handshake("a", 60.0, 0.5, ("x",)), id="other decimals"),
    ],
)
def test_decode_only(line: str, handshake: Handshake) -> None:
    assert decode_handshake(line) == handshake


@pytest.mark.parametrize("sid", ["", "a:b", "a/b", "a?b", "a,b", ":", None, 5])
def test_encode_refuses_session_ids(sid: Any) -> None:
    with pytest.raises(UsageError, match="session id"):
        encode_handshake(sid, 60, 60, ["x"])


@pytest.mark.parametrize(
    "timeout",
    [0, 0.0, -1, -0.5, 0.0004, float("nan"), float("inf"), 2_147_484, 10**400, "60", None],
)
def test_encode_refuses_timeouts(timeout: Any) -> None:
    with pytest.raises(UsageError, match="heartbeat_timeout"):
        encode_handshake("a", timeout, 60, ["x"])
    with pytest.raises(UsageError, match="close_timeout"):
        encode_handshake("a", 60, timeout, ["x"])


@pytest.mark.parametrize("transports", [[], [""], ["a:b"], ["a,b"], "", ["x", ""], ("x", "y:")])
def test_encode_refuses_transports(transports: Any) -> None:
    with pytest.raises(UsageError, match="transports"):
        encode_handshake("a", 60, 60, transports)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("", id="nothing"),
        pytest.param("a", id="one field"),
        pytest.param("a:60:60", id="three fields"),
        pytest.param("a:60:60:x:y", id="five fields"),
        pytest.param(":60:60:x", id="no session id"),
        pytest.param("a/b:60:60:x", id="slash in the session id"),
        pytest.param("a:x:60:x", id="timeout of letters"),
        pytest.param("a:-60:60:x", id="negative timeout"),
        pytest.param("a:60:1e3:x", id="exponent"),
        pytest.param("a:60:nan:x", id="NaN"),
        pytest.param("a:60:1.2.3:x", id="two points"),
        pytest.param("a:60:.:x", id="a point"),
        pytest.param("a:60: 60:x", id="space"),
        pytest.param("a:60:6_0:x", id="underscore"),
        pytest.param("a:60:\u0661:x", id="Arabic digit"),
        pytest.param("a:60:" + "9" * 400 + ":x", id="beyond a float"),
        pytest.param("handshake unauthorized", id="a refusal"),
        pytest.param(":" * 300_000, id="colons"),
    ],
)
def test_decode_refuses(line: str) -> None:
    with pytest.raises(PacketError) as refusal:
        decode_handshake(line)
    assert len(str(refusal.value)) < 200


def test_refusals_do_not_tell_the_session_id() -> None:
    with pytest.raises(UsageError) as misuse:
        encode_handshake("s3cret:", 60, 60, ["x"])
    assert "s3cret" not in str(misuse.value)
    for line in ("s3cret:60:60", "s3cret/:60:60:x", "s3cret:x:60:x"):
        with pytest.raises(PacketError) as refusal:
            decode_handshake(line)
        assert "s3cret" not in str(refusal.value)
