"""The headers of the PROXY protocol, as HAProxy's ``doc/proxy-protocol.txt`` has them."""

from __future__ import annotations

import ipaddress
import struct

import pytest

from sockio.server.heads import BadHead
from sockio.server.proxy_protocol import V1, V2, read_source

REQUEST = b"GET / HTTP/1.1\r\n\r\n"


def v2(source: str, at: str, ports: tuple[int, int], *, more: bytes = b"") -> bytes:
    first, second = ipaddress.ip_address(source), ipaddress.ip_address(at)
    body = first.packed + second.packed + struct.pack("!HH", *ports) + more
    family = 0x11 if first.version == 4 else 0x21
    return V2 + struct.pack("!BBH", 0x21, family, len(body)) + body


HEADERS = [
    pytest.param(
        b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n",
        ("TCP4", ("192.0.2.1", 56324), ("192.0.2.2", 443)),
        id="1, IPv4",
    ),
    pytest.param(
        b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
        ("TCP6", ("2001:db8::1", 1), ("2001:db8::2", 65535)),
        id="1, IPv6",
    ),
    pytest.param(b"PROXY UNKNOWN\r\n", None, id="1, unknown"),
    pytest.param(b"PROXY UNKNOWN a b 1 2\r\n", None, id="1, unknown, and more"),
    pytest.param(
        v2("192.0.2.1", "192.0.2.2", (56324, 443)),
        ("TCP4", ("192.0.2.1", 56324), ("192.0.2.2", 443)),
        id="2, IPv4",
    ),
    pytest.param(
        v2("2001:db8::1", "2001:db8::2", (1, 2), more=b"\x04\0\x01\0"),
        ("TCP6", ("2001:db8::1", 1), ("2001:db8::2", 2)),
        id="2, IPv6, and more behind it",
    ),
    pytest.param(V2 + b"\x20\0\0\0", None, id="2, the proxy itself"),
    pytest.param(V2 + b"\x21\0\0\0", None, id="2, unspecified"),
]


@pytest.mark.parametrize(("header", "expected"), HEADERS)
def test_whose_connection_it_is(header: bytes, expected: object) -> None:
    size, source = read_source(header + REQUEST)
    assert size == len(header)
    assert (source and (source.protocol, tuple(source), source.at)) == expected
    for end in range(len(header)):
        assert read_source(header[:end]) == (-1, None)


@pytest.mark.parametrize("data", [REQUEST, b"POST / HTTP/1.1\r\n", b"\r\nGET /", b"\x16\x03"])
def test_a_connection_without_one(data: bytes) -> None:
    assert read_source(data) == (0, None)


def test_a_version_that_is_not_spoken() -> None:
    header = v2("192.0.2.1", "192.0.2.2", (1, 2))
    assert read_source(header, (V1,)) == (0, None)
    assert read_source(b"PROXY UNKNOWN\r\n", (V2,)) == (0, None)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", id="too short"),
        pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", id="too long"),
        pytest.param(b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", id="no such family"),
        pytest.param(b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", id="another family"),
        pytest.param(b"PROXY TCP4 192.0.2.1 evil 1 2\r\n", id="no address"),
        pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", id="no port"),
        pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n", id="a negative port"),
        pytest.param(b"PROXY \r\n", id="nothing"),
        pytest.param(b"PROXY " + b"x" * 200, id="without an end"),
        pytest.param(V2 + b"\x31\x11\0\x0c" + bytes(12), id="another version"),
        pytest.param(V2 + b"\x22\x11\0\x0c" + bytes(12), id="another command"),
        pytest.param(V2 + b"\x21\x12\0\x0c" + bytes(12), id="datagrams"),
        pytest.param(V2 + b"\x21\x31\0\xd8" + bytes(216), id="a Unix socket"),
        pytest.param(V2 + b"\x21\x11\0\x04" + bytes(4), id="half an address"),
        pytest.param(V2 + b"\x21\x11\xff\xff", id="a header of 64 kB"),
    ],
)
def test_what_is_malformed(header: bytes) -> None:
    with pytest.raises(BadHead):
        read_source(header)
