"""What a client's greeting in TLS asks for, and what is none."""

from __future__ import annotations

import ssl

import pytest

from sockio.server.tls_hello import key_shares

X25519, P256, FFDHE8192 = 0x001D, 0x0017, 0x0104


def hello_of(context: ssl.SSLContext) -> bytes:
    """The message that Python's client begins with, out of its record."""
    wire = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), wire, server_hostname="example.com")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return wire.read()[5:]


def test_of_a_real_client() -> None:
    context = ssl.create_default_context()
    shares = key_shares(hello_of(context))
    assert X25519 in shares
    context.set_ecdh_curve("prime256v1")
    assert key_shares(hello_of(context)) == [P256]


def test_of_tls_1_2() -> None:
    context = ssl.create_default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert key_shares(hello_of(context)) == []


def test_several() -> None:
    shares = b"\x00\x1d\x00\x01x" + b"\x01\x04\x00\x02yy"
    extension = b"\x00\x33" + bytes([0, len(shares) + 2]) + bytes([0, len(shares)]) + shares
    hello = b"\1\0\0\0\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0"
    whole = hello + bytes([0, len(extension)]) + extension
    assert key_shares(whole) == [X25519, FFDHE8192]


def test_one_that_ends_early_has_none_or_some() -> None:
    """OpenSSL refuses it; nothing is raised here."""
    hello = hello_of(ssl.create_default_context())
    whole = key_shares(hello)
    for end in range(len(hello)):
        assert set(key_shares(hello[:end])) <= set(whole)


@pytest.mark.parametrize("byte", [0, 1, 255])
def test_nonsense_has_none(byte: int) -> None:
    assert key_shares(bytes([byte]) * 400) == []
