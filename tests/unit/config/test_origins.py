"""Origins and CORS: rows of (policy, headers of the request, decision)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sockio.config import Settings
from sockio.config.forwarded import TrustedProxies
from sockio.config.origins import (
    Hosts,
    cors_headers,
    host_of,
    is_allowed,
    own_origins,
    preflight_headers,
    source_of,
)
from sockio.exceptions import SettingsError


def request(
    scheme: str = "http", host: str | None = "app.example", **headers: str
) -> dict[str, Any]:
    """An environ; ``Origin="..."`` becomes ``HTTP_ORIGIN``."""
    environ = {"wsgi.url_scheme": scheme, "SERVER_NAME": "inner", "SERVER_PORT": "8080"}
    environ["REMOTE_ADDR"] = "10.0.0.1"
    if host is not None:
        environ["HTTP_HOST"] = host
    return environ | {f"HTTP_{name.upper()}": value for name, value in headers.items()}


# ---- where a request says it comes from


@pytest.mark.parametrize(
    ("headers", "source"),
    [
        pytest.param({}, None, id="a program: nothing"),
        pytest.param({"Origin": "https://a.example"}, "https://a.example", id="Origin"),
        pytest.param({"Origin": "null"}, "null", id="a file, or a sandboxed frame"),
        pytest.param(
            {"Origin": "https://a.example", "Referer": "https://b.example/"},
            "https://a.example",
            id="Origin counts more than Referer",
        ),
        pytest.param(
            {"Referer": "https://b.example:81/page?x=1"}, "https://b.example:81", id="Referer"
        ),
        pytest.param(
            {"Referer": "http://app.example@evil.example/"},
            "http://evil.example",
            id="user info is no host",
        ),
        pytest.param({"Referer": "about:blank"}, "null", id="a Referer without a host"),
        pytest.param({"Referer": "https://[evil/"}, "null", id="a Referer that is no URL"),
        pytest.param(
            {"Sec_WebSocket_Origin": "https://a.example"},
            "https://a.example",
            id="a websocket of the drafts 7 and 8",
        ),
        pytest.param({"Origin": "", "Referer": ""}, None, id="empty headers say nothing"),
        pytest.param({"Sec_Fetch_Site": "cross-site"}, "null", id="cross-site, and hiding which"),
        pytest.param({"Sec_Fetch_Site": "same-site"}, "null", id="a sister host is a stranger"),
        pytest.param({"Sec_Fetch_Site": "same-origin"}, None, id="our own page"),
        pytest.param({"Sec_Fetch_Site": "none"}, None, id="typed by the user"),
    ],
)
def test_source(headers: Mapping[str, str], source: str | None) -> None:
    assert source_of(request(**headers)) == source


# ---- what the server calls itself


PROXY = TrustedProxies.named(["10.0.0.0/8"])

OWN = [
    pytest.param(request(), "http://app.example", id="Host"),
    pytest.param(request(host=None), "http://inner:8080", id="no Host: HTTP/1.0"),
    pytest.param(request(host="app.example:80"), "http://app.example", id="the usual port"),
    pytest.param(request(host="app.example:81"), "http://app.example:81", id="another port"),
]
FORWARDED = [
    pytest.param(
        request(X_Forwarded_Proto="https"), "https://app.example", id="a proxy that ends TLS"
    ),
    pytest.param(
        request(host="app.example:80", X_Forwarded_Proto="https"),
        "https://app.example",
        id="the usual port of what the server sees",
    ),
    pytest.param(
        request(X_Forwarded_Proto="HTTPS, http", X_Forwarded_For="192.0.2.1, 10.0.0.2"),
        "https://app.example",
        id="two proxies: the outermost counts",
    ),
    pytest.param(
        request(X_Forwarded_Proto="https, http"),
        "http://app.example",
        id="one proxy, and what the client wrote before it",
    ),
    pytest.param(request(X_Forwarded_Proto="gopher"), "http://app.example", id="nonsense"),
    pytest.param(
        request(X_Forwarded_Host="public.example"),
        "http://public.example",
        id="a proxy that renames the host",
    ),
    pytest.param(
        request(X_Forwarded_Host="evil.example, public.example"),
        "http://public.example",
        id="a proxy that adds to what the client wrote",
    ),
    pytest.param(
        request(X_Forwarded_Host="evil.example, public.example", X_Forwarded_For="10.0.0.9, 1.2"),
        "http://public.example",
        id="more proxies than there are",
    ),
]


@pytest.mark.parametrize(("environ", "origin"), OWN + FORWARDED)
def test_own_origins(environ: dict[str, Any], origin: str) -> None:
    assert own_origins(environ, PROXY) == [origin]
    assert host_of(environ, PROXY) == origin.partition("://")[2]


@pytest.mark.parametrize(("environ", "origin"), FORWARDED)
@pytest.mark.parametrize("proxies", [None, TrustedProxies.named(["10.0.0.2", "unix"])])
def test_what_others_forward_means_nothing(
    environ: dict[str, Any], origin: str, proxies: TrustedProxies | None
) -> None:
    assert own_origins(environ, proxies) == ["http://app.example"]


# ---- its names

NAMES = Hosts.named(
    ["Chat.Example.com", "*.example.net", "localhost:8080", "[::1]", "bücher.example"]
)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("chat.example.com", True),
        ("CHAT.example.COM", True),
        ("chat.example.com.", True),
        ("chat.example.com:8443", True),
        ("chat.example.com.:80", True),
        ("xn--bcher-kva.example", True),
        ("a.example.net", True),
        ("a.b.example.net:81", True),
        ("localhost:8080", True),
        ("[::1]", True),
        ("[::1]:80", True),
        ("localhost", False),
        ("localhost:80", False),
        ("example.net", False),
        (".example.net", False),
        ("aexample.net", False),
        ("a.example.net.evil.example", False),
        ("chat.example.com.evil.example", False),
        ("evilchat.example.com", False),
        ("chat.example.com@evil.example", False),
        ("evil.example#.example.net", False),
        ("evil.example/.example.net", False),
        ("evil.example:80.example.net", False),
        ("chat.example.com:", False),
        ("chat.example.com:x", False),
        ("[::1", False),
        ("::1", False),
        ("", False),
        ("a" * 300 + ".example.net", False),
        ("chat.example.com, evil.example", False),
        ("chat.example.com\n", False),
    ],
)
def test_a_servers_names(host: str, ours: bool) -> None:
    assert NAMES is not None
    assert NAMES.have(host) is ours


# ---- who may

SAME, LISTED, ANYBODY = None, ("https://a.example", "null"), "*"


@pytest.mark.parametrize(
    ("policy", "environ", "allowed"),
    [
        pytest.param(SAME, request(), True, id="no source: nobody was tricked into it"),
        pytest.param(SAME, request(Origin="http://app.example"), True, id="the same"),
        pytest.param(SAME, request(Origin="http://app.example:80"), True, id="port spelled out"),
        pytest.param(SAME, request(Origin="HTTP://App.Example"), True, id="in capitals"),
        pytest.param(
            SAME,
            request(host="app.example:80", Origin="http://app.example"),
            True,
            id="port in Host",
        ),
        pytest.param(
            SAME, request("https", Origin="https://app.example:443"), True, id="the port of https"
        ),
        pytest.param(SAME, request(Origin="https://app.example"), False, id="another scheme"),
        pytest.param(SAME, request(Origin="http://app.example:8080"), False, id="another port"),
        pytest.param(SAME, request(Origin="http://evil.example"), False, id="another host"),
        pytest.param(SAME, request(Origin="http://sub.app.example"), False, id="a subdomain"),
        pytest.param(SAME, request(Origin="http://app.example.evil"), False, id="a longer name"),
        pytest.param(SAME, request(Origin="http://evilapp.example"), False, id="a similar end"),
        pytest.param(SAME, request(Origin="null"), False, id="no origin"),
        pytest.param(SAME, request(Origin="http://"), False, id="no host"),
        pytest.param(SAME, request(Origin="http://app.example/x"), False, id="a path"),
        pytest.param(SAME, request(Origin="http://app.example:x"), False, id="a port that is none"),
        pytest.param(SAME, request(Origin="http://[app.example"), False, id="not a URL"),
        pytest.param(
            SAME, request(Origin="app.example"), True, id="old programs name the host only"
        ),
        pytest.param(SAME, request(Origin="evil.example"), False, id="... another host"),
        pytest.param(SAME, request(Origin="pp.example"), False, id="... the end of the host"),
        pytest.param(
            SAME, request(Referer="http://app.example/chat"), True, id="a script's Referer"
        ),
        pytest.param(
            SAME, request(Referer="http://evil.example/"), False, id="a stranger's Referer"
        ),
        pytest.param(SAME, request(Sec_Fetch_Site="cross-site"), False, id="hidden, cross-site"),
        pytest.param(
            SAME,
            request(Origin="https://app.example", X_Forwarded_Proto="https"),
            True,
            id="the same, behind a proxy that ends TLS",
        ),
        pytest.param(
            SAME,
            request(Origin="http://app.example", X_Forwarded_Proto="https"),
            False,
            id="a page without TLS of a site with it",
        ),
        pytest.param(
            SAME,
            request(Origin="http://app.example", X_Forwarded_Host="public.example"),
            False,
            id="the name behind the proxy",
        ),
        pytest.param(LISTED, request(Origin="https://a.example"), True, id="listed"),
        pytest.param(LISTED, request(Origin="https://A.example:443"), True, id="listed, in full"),
        pytest.param(LISTED, request(Origin="http://a.example"), False, id="listed with https"),
        pytest.param(LISTED, request(Origin="null"), True, id="null can be listed"),
        pytest.param(LISTED, request(Origin="http://app.example"), True, id="the same need not be"),
        pytest.param(LISTED, request(Origin="https://b.example"), False, id="not listed"),
        pytest.param((), request(Origin="http://app.example"), True, id="an empty list: the same"),
        pytest.param((), request(Origin="https://b.example"), False, id="... and nobody else"),
        pytest.param(ANYBODY, request(Origin="https://b.example"), True, id="anybody"),
        pytest.param(ANYBODY, request(Origin="null"), True, id="anybody, from nowhere"),
    ],
)
def test_d60_who_may(policy: Any, environ: dict[str, Any], allowed: bool) -> None:
    assert is_allowed(policy, environ, PROXY) is allowed
    # A script is no different where the request says where it comes from.
    if source_of(environ) is not None:
        assert is_allowed(policy, environ, PROXY, script=True) is allowed


@pytest.mark.parametrize(
    ("policy", "headers", "allowed"),
    [
        pytest.param(SAME, {}, False, id="nothing is said"),
        pytest.param(LISTED, {}, False, id="... beside a list"),
        pytest.param(ANYBODY, {}, True, id="... and nobody has to"),
        pytest.param(lambda origin, environ: origin is None, {}, True, id="a callable allows it"),
        pytest.param(lambda origin, environ: origin, {}, False, id="a callable does not"),
        pytest.param(SAME, {"Sec_Fetch_Site": "same-origin"}, True, id="the browser knows"),
        pytest.param(SAME, {"Sec_Fetch_Site": "none"}, True, id="the user typed it"),
        pytest.param(SAME, {"Sec_Fetch_Site": "same-site"}, False, id="another port or host"),
        pytest.param(SAME, {"Sec_Fetch_Site": "cross-site"}, False, id="another site"),
        pytest.param(SAME, {"Sec_Fetch_Site": "nonsense"}, False, id="no such word"),
        pytest.param(SAME, {"Origin": "", "Referer": ""}, False, id="empty headers"),
        pytest.param(LISTED, {"Referer": "about:blank"}, True, id="null can be listed"),
        pytest.param(
            SAME, {"Referer": "http://app.example:81/"}, False, id="another port of the host"
        ),
        pytest.param(SAME, {"Referer": "http://app.example/"}, True, id="our own page"),
    ],
)
def test_a_script_needs_a_source(policy: Any, headers: dict[str, str], allowed: bool) -> None:
    assert is_allowed(policy, request(**headers), script=True) is allowed


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        pytest.param(
            request(Origin="http://app.example"), "http://app.example", id="the same origin"
        ),
        pytest.param(request(), None, id="no source"),
    ],
)
@pytest.mark.parametrize("says", [True, False, 1, "", None])
def test_a_callable_decides_alone(environ: dict[str, Any], asked: str | None, says: object) -> None:
    questions: list[object] = []

    def decide(origin: str | None, environ: Mapping[str, Any]) -> object:
        questions.append((origin, environ))
        return says

    assert is_allowed(decide, environ) is bool(says)
    assert questions == [(asked, environ)]


# ---- what the page's browser is told


def test_d60_the_origin_is_echoed_and_caches_are_told() -> None:
    assert cors_headers(request(Origin="https://a.example")) == [
        ("Access-Control-Allow-Origin", "https://a.example"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Vary", "Origin"),
    ]


def test_no_cors_headers_without_an_origin() -> None:
    assert cors_headers(request(Referer="https://a.example/")) == []


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        pytest.param(None, None, id="none asked for"),
        pytest.param("content-type, x_y", "content-type, x_y", id="names"),
        pytest.param("x\r\nSet-Cookie: a=b", None, id="a header injection"),
        pytest.param("größe", None, id="not a header's name"),
    ],
)
def test_d58_a_preflight_is_granted_what_it_asks_for(
    asked: str | None, granted: str | None
) -> None:
    environ = request(**({} if asked is None else {"Access_Control_Request_Headers": asked}))
    headers = dict(preflight_headers(environ))
    assert headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    assert headers["Access-Control-Max-Age"] == "3600"
    assert headers.get("Access-Control-Allow-Headers") == granted


@pytest.mark.parametrize(
    ("name", "host", "ours"),
    [
        pytest.param("a.example:80", "a.example", True, id="the usual port is not said"),
        pytest.param("a.example:443", "a.example", True, id="nor that of TLS"),
        pytest.param("a.example:80", "a.example:80", True, id="or is"),
        pytest.param("a.example:80", "a.example:8080", False, id="another port"),
        pytest.param("a.example:8080", "a.example", False, id="an unusual port is said"),
        pytest.param("a.example.", "a.example", True, id="a name with its last dot"),
        pytest.param("*.example.", "a.example.", True, id="an ending with its last dot"),
        pytest.param("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", True, id="as browsers write it"),
        pytest.param("[::FFFF:7F00:1]:80", "[::ffff:127.0.0.1]", True, id="or people"),
        pytest.param("[0:0::1]:8080", "[::1]:8080", True, id="an address in full"),
        pytest.param("[::ffff:127.0.0.1]", "127.0.0.1", False, id="another name of it"),
        pytest.param("[::1]", "[::2]", False, id="another address"),
    ],
)
def test_names_are_meant_not_spelled(name: str, host: str, ours: bool) -> None:
    hosts = Hosts.named([name])
    assert hosts is not None
    assert hosts.have(host) is ours


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example@app.example",
        "http://evil.example\\@app.example",
        "http://app.example?evil",
        "http://app.example#evil",
        "http://app.example,http://evil.example",
        "http://evil.example,http://app.example",
        "http://app.example\x00.evil.example",
    ],
)
def test_what_no_browser_says_is_no_origin(origin: str) -> None:
    assert not is_allowed(None, request(origin=origin))
    assert not is_allowed(("http://app.example",), request(host="other.example", origin=origin))


def test_a_page_before_whose_host_stands_another_is_that_other_ones() -> None:
    assert source_of(request(referer="http://evil.example\\@app.example/")) == "null"
    assert source_of(request(referer="http://app.example@evil.example/")) == "http://evil.example"


def test_origins_may_be_written_as_people_do() -> None:
    origins = Settings.make({"origins": ["http://Bücher.example:8080"]}).origins
    assert is_allowed(origins, request(origin="http://xn--bcher-kva.example:8080"))


def test_addresses_may_be_written_otherwise_than_browsers_do() -> None:
    origins = Settings.make({"origins": ["http://[::ffff:127.0.0.1]:8080"]}).origins
    assert is_allowed(origins, request(origin="http://[::ffff:7f00:1]:8080"))
    assert not is_allowed(origins, request(origin="http://[::ffff:7f00:2]:8080"))
    assert is_allowed(None, request(host="[0:0::1]:8080", origin="http://[::1]:8080"))


def test_pages_inside_of_an_app_may_be_let_in_by_what_their_web_view_sends() -> None:
    for written in ("file://", "FILE:///"):
        origins = Settings.make({"origins": [written]}).origins
        assert is_allowed(origins, request(origin="file://"))
        assert not is_allowed(origins, request(origin="http://elsewhere.example"))


def test_a_port_that_goes_without_saying_may_be_said() -> None:
    origins = Settings.make({"origins": ["https://a.example:443", "http://b.example:80"]}).origins
    assert is_allowed(origins, request(origin="https://a.example"))
    assert is_allowed(origins, request(origin="http://b.example"))
    assert not is_allowed(origins, request(origin="http://a.example"))


@pytest.mark.parametrize(
    "written",
    [
        "https://a.example/chat",
        "https://a.example?x=1",
        "https://a.example#top",
        "https://me@a.example",
        "https://",
        "https://a example",
    ],
)
def test_what_no_browser_sends_is_refused_when_it_is_set(written: str) -> None:
    with pytest.raises(SettingsError, match="would match no origin"):
        Settings.make({"origins": [written]})
