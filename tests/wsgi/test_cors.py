"""Which pages may talk to the server: the same rule for every request, not only the handshake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from webob import Response

from sockio.exceptions import SettingsError
from sockio.testing import ManualRuntime

from ..support.wsgi_client import PollingClient

Connect = Callable[..., PollingClient]

# The server in these tests is http://localhost, port 80.

ALLOWED = [
    # Whatever the setting: programs that are no browsers, and the server's own pages.
    pytest.param(None, {}, id="says nothing"),
    pytest.param(None, {"Origin": "http://localhost"}, id="same origin"),
    pytest.param(None, {"Origin": "http://localhost:80"}, id="same origin, default port said"),
    pytest.param(None, {"Origin": "http://LOCALHOST"}, id="same origin in capitals"),
    pytest.param(None, {"Referer": "http://localhost/page?q=1"}, id="only a Referer"),
    pytest.param(None, {"Sec-Fetch-Site": "same-origin"}, id="only Sec-Fetch-Site: same-origin"),
    pytest.param(None, {"Sec-Fetch-Site": "none"}, id="typed into the address bar"),
    pytest.param(None, {"Origin": "localhost"}, id="a program that leaves out the scheme"),
    pytest.param(
        None, {"Origin": "http://chat.example:8080", "Host": "chat.example:8080"}, id="a port"
    ),
    # A list, in addition to the same origin.
    pytest.param(["https://a.example"], {"Origin": "https://a.example"}, id="listed"),
    pytest.param(
        ["https://a.example"], {"Origin": "https://a.example:443"}, id="listed, port said"
    ),
    pytest.param(
        ["https://a.example:443/"], {"Origin": "https://a.example"}, id="listed with port"
    ),
    pytest.param(["https://a.example"], {"Origin": "http://localhost"}, id="same, beside a list"),
    pytest.param(["https://a.example"], {}, id="says nothing, beside a list"),
    pytest.param("https://a.example, https://b.example", {"Origin": "https://b.example"}, id="ini"),
    pytest.param(["https://a.example"], {"Referer": "https://a.example/x"}, id="listed Referer"),
    pytest.param(["null"], {"Origin": "null"}, id="null, listed"),
    # Everybody.
    pytest.param("*", {"Origin": "https://anywhere.example"}, id="everybody"),
    pytest.param("*", {"Origin": "null"}, id="everybody, null too"),
    # A callable decides alone.
    pytest.param(
        lambda origin, environ: origin == "https://a.example",
        {"Origin": "https://a.example"},
        id="a callable says yes",
    ),
    pytest.param(
        lambda origin, environ: environ["HTTP_X_KEY"] == "secret",
        {"Origin": "https://a.example", "X-Key": "secret"},
        id="a callable reads the environ",
    ),
    pytest.param(lambda origin, environ: origin is None, {}, id="a callable is asked about None"),
]

BY_A_PROXY = [
    pytest.param(
        {"Origin": "https://localhost", "X-Forwarded-Proto": "https"},
        id="a proxy that ends TLS",
    ),
    pytest.param(
        {
            "Origin": "https://localhost",
            "X-Forwarded-Proto": "https, http",
            "X-Forwarded-For": "192.0.2.9, 192.0.2.2",
        },
        id="two proxies",
    ),
    pytest.param(
        {
            "Origin": "https://chat.example",
            "Host": "chat.example",
            "X-Forwarded-Proto": "https",
        },
        id="a proxy that ends TLS and hands on the host",
    ),
    pytest.param(
        {
            "Origin": "https://chat.example:8443",
            "Host": "chat.example:8443",
            "X-Forwarded-Proto": "https",
        },
        id="a proxy that ends TLS on another port",
    ),
    pytest.param(
        {"Origin": "http://chat.example", "X-Forwarded-Host": "chat.example"},
        id="a proxy that changes the host",
    ),
]

REFUSED = [
    pytest.param(None, {"Origin": "http://evil.example"}, id="another host"),
    pytest.param(None, {"Origin": "https://localhost"}, id="another scheme"),
    pytest.param(None, {"Origin": "http://localhost:8080"}, id="another port"),
    pytest.param(None, {"Origin": "http://sub.localhost"}, id="a subdomain"),
    pytest.param(None, {"Origin": "http://localhost.evil.example"}, id="a name that starts alike"),
    pytest.param(None, {"Origin": "http://evil.example/http://localhost"}, id="a path in it"),
    pytest.param(None, {"Origin": "null"}, id="null"),
    pytest.param(None, {"Origin": "evil.example"}, id="no scheme and another host"),
    pytest.param(None, {"Origin": "http://[broken"}, id="no origin at all"),
    pytest.param(None, {"Origin": "http://localhost:99999"}, id="no port"),
    pytest.param(None, {"Referer": "http://evil.example/page"}, id="only a foreign Referer"),
    pytest.param(None, {"Referer": "http://localhost@evil.example/"}, id="a Referer with a user"),
    pytest.param(None, {"Referer": "about:srcdoc"}, id="a Referer without an origin"),
    pytest.param(
        None,
        {"Origin": "http://evil.example", "Referer": "http://localhost/"},
        id="Origin counts before Referer",
    ),
    pytest.param(None, {"Sec-Fetch-Site": "cross-site"}, id="only Sec-Fetch-Site: cross-site"),
    pytest.param(None, {"Sec-Fetch-Site": "same-site"}, id="only Sec-Fetch-Site: same-site"),
    pytest.param(
        None,
        {"Origin": "https://localhost", "X-Forwarded-Proto": "gopher"},
        id="a scheme that no proxy ends",
    ),
    pytest.param(["https://a.example"], {"Origin": "https://b.example"}, id="not listed"),
    pytest.param(["https://a.example"], {"Origin": "http://a.example"}, id="listed as https"),
    pytest.param(["https://a.example"], {"Origin": "https://a.example:8443"}, id="another port"),
    pytest.param(["https://a.example"], {"Origin": "a.example"}, id="listed with a scheme"),
    pytest.param(lambda origin, environ: False, {}, id="a callable says no"),
    pytest.param(
        lambda origin, environ: False, {"Origin": "http://localhost"}, id="even to its own pages"
    ),
]

REQUESTS: list[Any] = [
    pytest.param("GET", "/1/", id="handshake"),
    pytest.param("GET", "/1/?jsonp=0", id="handshake by JSONP"),
    pytest.param("OPTIONS", "/1/", id="preflight of a handshake"),
    pytest.param("GET", "/1/xhr-polling/{sid}", id="poll"),
    pytest.param("POST", "/1/xhr-polling/{sid}", id="post"),
    pytest.param("OPTIONS", "/1/xhr-polling/{sid}", id="preflight"),
    pytest.param("PUT", "/1/xhr-polling/{sid}", id="any method"),
    pytest.param("GET", "/1/xhr-polling/{sid}?disconnect", id="disconnect"),
    pytest.param("GET", "/1/websocket/{sid}", id="websocket"),
    pytest.param("GET", "/1/nonsense/{sid}", id="no such transport"),
    pytest.param("GET", "/1/xhr-polling/xxxxxxxxxxxxxxxxxxxx", id="unknown session"),
]

JSONP: list[Any] = [
    REQUESTS[1],
    pytest.param("GET", "/1/jsonp-polling/{sid}?i=0", id="poll by JSONP"),
    pytest.param("POST", "/1/jsonp-polling/{sid}", id="post by JSONP"),
]


def ask(client: PollingClient, method: str, path: str, headers: dict[str, str]) -> Response:
    if method == "OPTIONS":
        headers = {"Access-Control-Request-Method": "GET", **headers}
    body = b"3:::hello" if method == "POST" else b""
    return client.request(path.format(sid=client.sid), method, body, headers)


def cors_headers(response: Response) -> set[str]:
    return {name for name in response.headers if name.startswith("Access-Control")}


@pytest.mark.parametrize(("origins", "headers"), ALLOWED)
def test_allowed(connect: Connect, origins: Any, headers: dict[str, str]) -> None:
    response = connect(origins=origins).handshake(**headers)
    assert response.status_code == 200
    if "Origin" in headers:
        assert response.headers["Access-Control-Allow-Origin"] == headers["Origin"]
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert response.headers["Vary"] == "Origin"
    else:
        assert not cors_headers(response)


@pytest.mark.parametrize("headers", BY_A_PROXY)
def test_what_a_proxy_says_counts_where_it_is_trusted(
    connect: Connect, caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    trusting = connect(trusted_proxies="192.0.2.0/24")
    assert trusting.handshake(**headers).status_code == 200
    assert not caplog.records
    assert connect().handshake(**headers).status_code == 403
    assert "did not count" in caplog.text
    assert "set trusted_proxies=['192.0.2.1']" in caplog.text


@pytest.mark.parametrize(("origins", "headers"), REFUSED)
def test_refused(
    connect: Connect, caplog: pytest.LogCaptureFixture, origins: Any, headers: dict[str, str]
) -> None:
    client = connect(origins=origins)
    response = client.handshake(**headers)
    assert (response.status_code, response.text) == (403, "handshake bad origin")
    assert not cors_headers(response)
    assert len(client.registry) == 0
    assert "Set origins=[...] to allow it" in caplog.text


@pytest.mark.parametrize(("method", "path"), REQUESTS + JSONP[1:])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "http://evil.example"}, id="Origin"),
        pytest.param({"Referer": "http://evil.example/page"}, id="Referer"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="Sec-Fetch-Site"),
    ],
)
def test_d60_every_request_of_a_page_that_may_not_is_refused(
    connect: Connect, runtime: ManualRuntime, method: str, path: str, headers: dict[str, str]
) -> None:
    client = connect()
    client.open()
    response = ask(client, method, path, headers)
    if "jsonp=" in path:
        assert response.text == 'io.j[0](new Error("handshake bad origin"));'
    else:
        assert (response.status_code, response.text) == (403, "handshake bad origin")
    assert not cors_headers(response)
    runtime.settle()
    assert client.socket.connected
    assert client.socket.received == 0
    assert len(client.registry) == 1


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_d60_whoever_may_is_named_and_never_called_everybody(
    connect: Connect, method: str, path: str
) -> None:
    client = connect(origins="*")
    client.handshake()
    response = ask(client, method, path, {"Origin": "https://a.example"})
    if "jsonp" in path:
        assert not cors_headers(response), "a script needs none"
        return
    assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert response.headers.getall("Vary") == ["Origin"]


@pytest.mark.parametrize("origins", ["a.example", ["//a.example"], "*.example.com"])
def test_an_origin_in_the_setting_that_could_never_match_is_an_error(
    connect: Connect, origins: Any
) -> None:
    with pytest.raises(SettingsError, match="origins"):
        connect(origins=origins)


def test_an_asked_for_header_that_is_none_is_not_reflected(connect: Connect) -> None:
    client = connect()
    client.open()
    asking = {
        "Origin": "http://localhost",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-a; <script>",
    }
    response = client.request(client.url, "OPTIONS", headers=asking)
    assert response.status_code == 204
    assert "Access-Control-Allow-Headers" not in response.headers


# ---- scripts of pages that hide


@pytest.mark.parametrize(("method", "path"), JSONP)
def test_a_script_for_nobody_knows_whom_is_refused(
    connect: Connect, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    client = connect()
    client.open()
    response = ask(client, method, path, {})
    assert response.headers["X-Sockio-Refusal"] == "no-source"
    assert "Referrer-Policy" in caplog.text
    assert len(client.registry) == 1
    assert client.socket.received == 0


@pytest.mark.parametrize(("method", "path"), JSONP)
@pytest.mark.parametrize(
    ("origins", "headers"),
    [
        pytest.param(None, {"Referer": "http://localhost/page"}, id="our own page"),
        pytest.param(None, {"Sec-Fetch-Site": "same-origin"}, id="our own page, hidden"),
        pytest.param(["https://a.example"], {"Referer": "https://a.example/"}, id="a listed one"),
        pytest.param("*", {}, id="anybody may"),
        pytest.param(lambda origin, environ: True, {}, id="a callable says so"),
    ],
)
def test_a_script_for_a_page_that_may(
    connect: Connect, method: str, path: str, origins: Any, headers: dict[str, str]
) -> None:
    client = connect(origins=origins)
    client.handshake()
    path = path.format(sid=client.sid)
    body = "d=%223%3A%3A%3Ahello%22"
    response = client.request(path, method, body if method == "POST" else "", headers)
    assert response.status_code == 200
    assert "X-Sockio-Refusal" not in response.headers


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost"}])
def test_no_script_where_jsonp_is_not_offered(connect: Connect, headers: dict[str, str]) -> None:
    """Text, which no page of another origin can read, whatever the page says about itself."""
    client = connect(transports="websocket,xhr-polling")
    response = client.handshake("?jsonp=0", **headers)
    assert response.content_type == "text/plain"
    assert response.text.endswith(":60:60:xhr-polling")
    refused = client.handshake("?jsonp=0", Origin="http://evil.example")
    assert (refused.status_code, refused.text) == (403, "handshake bad origin")


# ---- the server's own names


@pytest.mark.parametrize(("method", "path"), [*REQUESTS, ("GET", "/")])
def test_every_request_for_another_host_is_refused(
    connect: Connect, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    """A page of a stranger's name that was made to point here: same origin, by all appearance."""
    client = connect(hosts="localhost, *.example.com", origins=["https://good.example"])
    client.open()
    rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
    response = ask(client, method, path, rebound)
    assert response.headers["X-Sockio-Refusal"] == "host-not-allowed"
    assert not cors_headers(response)
    assert "'evil.example' is not among hosts" in caplog.text
    assert len(client.registry) == 1
    assert client.socket.received == 0


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:81", "chat.example.com"])
def test_its_own_names_are_let_in(connect: Connect, host: str) -> None:
    client = connect(hosts=["localhost", "*.example.com"])
    assert client.handshake(Host=host, Origin=f"http://{host}").status_code == 200


def test_the_host_that_a_trusted_proxy_was_asked_for_counts(connect: Connect) -> None:
    forwarded = {"Host": "inner", "X-Forwarded-Host": "chat.example.com"}
    trusting = connect(hosts=["chat.example.com"], trusted_proxies=["192.0.2.1"])
    assert trusting.handshake(**forwarded).status_code == 200
    assert trusting.handshake(**forwarded, Origin="http://chat.example.com").status_code == 200
    assert trusting.handshake(Host="inner").status_code == 403
    assert connect(hosts=["chat.example.com"]).handshake(**forwarded).status_code == 403


# ---- the client's address


def test_the_clients_address_is_the_one_that_a_trusted_proxy_saw(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(trusted_proxies="192.0.2.1", max_unopened=1)
    lie = "9.9.9.9, "
    assert client.handshake(**{"X-Forwarded-For": "198.51.100.1"}).status_code == 200
    assert client.socket.address == "198.51.100.1"
    assert client.handshake(**{"X-Forwarded-For": "198.51.100.2"}).status_code == 200
    evil = {"X-Forwarded-For": lie + "198.51.100.3", "Origin": "http://evil.example"}
    assert client.handshake(**evil).status_code == 403
    assert "from 198.51.100.3:" in caplog.text
