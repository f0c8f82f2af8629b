"""Proxies in front: rows of (who is trusted, headers of the request, client's address)."""

from __future__ import annotations

from typing import Any

import pytest

from sockio.config.forwarded import (
    TrustedProxies,
    address_in,
    address_of,
    client_of,
    forwarded_headers,
)


def request(peer: str | None, forwarded: str | None = None, **headers: str) -> dict[str, Any]:
    environ: dict[str, Any] = {f"HTTP_{name.upper()}": each for name, each in headers.items()}
    if peer is not None:
        environ["REMOTE_ADDR"] = peer
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded
    return environ


LOCAL = "127.0.0.1, 10.0.0.0/8, fd00::/8"


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        pytest.param("", "192.0.2.1", "1.2.3.4", "192.0.2.1", id="nobody is trusted"),
        pytest.param("", None, None, "", id="nobody is known"),
        pytest.param(LOCAL, "192.0.2.1", "1.2.3.4", "192.0.2.1", id="somebody else"),
        pytest.param(LOCAL, "127.0.0.1", None, "127.0.0.1", id="a proxy that says nothing"),
        pytest.param(LOCAL, "127.0.0.1", "", "127.0.0.1", id="... or nearly nothing"),
        pytest.param(LOCAL, "127.0.0.1", "1.2.3.4", "1.2.3.4", id="a proxy"),
        pytest.param(LOCAL, "::ffff:127.0.0.1", "1.2.3.4", "1.2.3.4", id="seen by both families"),
        pytest.param(LOCAL, "127.0.0.1", "9.9.9.9, 1.2.3.4", "1.2.3.4", id="the client lies"),
        pytest.param(
            LOCAL, "127.0.0.1", "127.0.0.1, 10.0.0.1, 1.2.3.4", "1.2.3.4", id="... cleverly"
        ),
        pytest.param(LOCAL, "127.0.0.1", "1.2.3.4,10.0.0.7", "1.2.3.4", id="two proxies"),
        pytest.param(
            LOCAL, "127.0.0.1", "9.9.9.9, 1.2.3.4 ,10.0.0.7, fd00::1", "1.2.3.4", id="three"
        ),
        pytest.param(LOCAL, "127.0.0.1", "10.0.0.9, 10.0.0.7", "10.0.0.9", id="a neighbour"),
        pytest.param(LOCAL, "127.0.0.1", "1.2.3.4:5678", "1.2.3.4", id="with a port"),
        pytest.param(LOCAL, "127.0.0.1", "[2001:DB8::1]:5678", "2001:db8::1", id="IPv6, a port"),
        pytest.param(LOCAL, "127.0.0.1", "[2001:db8::1]", "2001:db8::1", id="in brackets"),
        pytest.param(LOCAL, "127.0.0.1", "2001:db8:0:0::1", "2001:db8::1", id="IPv6 alone"),
        pytest.param(LOCAL, "127.0.0.1", '"[2001:db8::1]:80"', "2001:db8::1", id="in quotes"),
        pytest.param(LOCAL, "127.0.0.1", "::ffff:1.2.3.4", "1.2.3.4", id="IPv4 inside of IPv6"),
        pytest.param(LOCAL, "127.0.0.1", "fe80::1%eth0", "fe80::1", id="a zone"),
        pytest.param(LOCAL, "127.0.0.1", "unknown", "127.0.0.1", id="garbage"),
        pytest.param(LOCAL, "127.0.0.1", "1.2.3.4, unknown", "127.0.0.1", id="garbage at the end"),
        pytest.param(LOCAL, "127.0.0.1", "unknown, 1.2.3.4", "1.2.3.4", id="garbage before"),
        pytest.param(LOCAL, "127.0.0.1", "1.2.3.4, ", "127.0.0.1", id="an empty entry"),
        pytest.param(LOCAL, "127.0.0.1", "1.2.3.4, x, 10.0.0.7", "10.0.0.7", id="in the middle"),
        pytest.param(LOCAL, "127.0.0.1", "1" * 100_000, "127.0.0.1", id="a long entry"),
        pytest.param(LOCAL, "127.0.0.1", "a," * 50_000 + "1.2.3.4", "1.2.3.4", id="many entries"),
        pytest.param(LOCAL, "127.0.0.1", "10.0.0.1," * 99 + "10.0.0.2", "10.0.0.1", id="hops"),
        pytest.param(LOCAL, None, "1.2.3.4", "", id="a Unix socket, untrusted"),
        *(
            pytest.param(trusted, peer, "1.2.3.4", "1.2.3.4" if believed else peer, id=name)
            for trusted, peer, believed, name in [
                ("::ffff:127.0.0.1", "::ffff:127.0.0.1", True, "mapped, by a mapped address"),
                ("::ffff:127.0.0.1", "127.0.0.1", True, "a peer, by a mapped address"),
                ("127.0.0.1", "::ffff:127.0.0.1", True, "mapped, by an address"),
                ("::FFFF:7f00:1", "::ffff:127.0.0.1", True, "mapped, in other letters"),
                ("::ffff:127.0.0.2", "::ffff:127.0.0.1", False, "another mapped one"),
                ("::ffff:10.0.0.0/104", "10.1.2.3", True, "a mapped network"),
                ("::ffff:10.0.0.0/104", "11.1.2.3", False, "beside a mapped network"),
                ("::ffff:0:0/96", "::ffff:192.0.2.1", True, "all that are mapped"),
                ("::ffff:0:0/96", "::1", False, "what is not mapped"),
                ("fe80::1%eth0", "fe80::1%eth0", True, "with a zone"),
                ("fe80::%eth0/64", "fe80::1%eth1", True, "a network with a zone"),
            ]
        ),
        pytest.param("unix", None, "1.2.3.4", "1.2.3.4", id="a Unix socket"),
        pytest.param("unix", "", "9.9.9.9, 1.2.3.4", "1.2.3.4", id="... by another name"),
        pytest.param("unix", "127.0.0.1", "1.2.3.4", "127.0.0.1", id="no Unix socket"),
        pytest.param("*", "192.0.2.1", "9.9.9.9, 1.2.3.4", "1.2.3.4", id="whoever connects"),
        pytest.param(
            "*, 10.0.0.0/8", "8.8.8.8", "9.9.9.9, 1.2.3.4, 10.0.0.1", "1.2.3.4", id="both"
        ),
    ],
)
def test_the_clients_address(trusted: str, peer: str | None, forwarded: str, client: str) -> None:
    proxies = TrustedProxies.named(trusted.replace(",", " ").split())
    assert client_of(request(peer, forwarded), proxies) == client


@pytest.mark.parametrize(("behind", "client"), [(19, "9.9.9.9"), (20, "10.0.0.2")])
def test_only_the_last_entries_are_looked_at(behind: int, client: str) -> None:
    forwarded = "9.9.9.9" + ", 10.0.0.2" * behind
    assert client_of(request("10.0.0.1", forwarded), TrustedProxies.named(["10.0.0.0/8"])) == client


@pytest.mark.parametrize(
    "entry", ["1" * 61, "", " ", "[", "[]", ":", "::1:x:y", "1.2.3", "1.2.3.4.5", "_x"]
)
def test_what_is_no_address(entry: str) -> None:
    assert address_in(entry) is None


@pytest.mark.parametrize("word", ["localhost", "10.0.0.1/8", "1.2.3", "*.example.com", "unix:/x"])
def test_a_word_that_is_no_proxy_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"networks, 'unix' or '\*'"):
        TrustedProxies.named([word])


@pytest.mark.parametrize(
    "peer", ["127.0.0.1", "::ffff:192.0.2.1", "::1", "2001:DB8:0::1", "fe80::1%eth0"]
)
def test_a_peer_is_named_so_that_it_can_be_trusted(peer: str) -> None:
    proxies = TrustedProxies.named([address_of(peer)])
    assert client_of(request(peer, "1.2.3.4"), proxies) == "1.2.3.4"


def test_what_is_no_peers_address_stays_as_it_is() -> None:
    assert address_of("unix") == "unix"


def test_nobody_is_nobody() -> None:
    assert TrustedProxies.named([]) is None


def test_the_headers_by_their_names() -> None:
    assert forwarded_headers(request("1.2.3.4", "5.6.7.8", X_Forwarded_Proto="https")) == [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
    ]
