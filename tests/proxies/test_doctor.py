"""What the doctor says of the recipes, and of recipes in which a line is missing."""

from __future__ import annotations

import pytest

from sockio.doctor import Finding, examine_url

from .conftest import StartProxy
from .test_proxies import LISTEN, TLS_OF_HAPROXY, Serve, chat, example

pytestmark = pytest.mark.e2e

NEWEST = "clients 3.x and 4.x: "


def problems(port: int) -> list[Finding]:
    found = examine_url(f"http://127.0.0.1:{port}", timeout=5)
    assert sum(each.code in ("later-clients", "later-clients-refused") for each in found) == 1
    return [each for each in found if each.level in ("warning", "problem")]


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_one_server(kind: str, serve: Serve, proxy: StartProxy) -> None:
    changes = {**LISTEN[kind], "127.0.0.1:8080": f"127.0.0.1:{chat(serve).port}"}
    if kind == "haproxy":
        changes |= TLS_OF_HAPROXY
    assert problems(proxy(example(kind, "one-server"), changes)) == []


def of_two(kind: str, serve: Serve) -> dict[str, str]:
    changes = dict(LISTEN[kind])
    for port, prefix in (("8081", "a."), ("8082", "b.")):
        changes[f"127.0.0.1:{port}"] = f"127.0.0.1:{chat(serve, sid_prefix=prefix).port}"
    return changes


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_two_servers(kind: str, serve: Serve, proxy: StartProxy) -> None:
    assert problems(proxy(example(kind, "two-servers"), of_two(kind, serve))) == []


def test_nginx_without_the_headers_of_an_upgrade(serve: Serve, proxy: StartProxy) -> None:
    changes = {
        **LISTEN["nginx"],
        "127.0.0.1:8080": f"127.0.0.1:{chat(serve, generations='eio3 eio4').port}",
        "proxy_set_header Upgrade $http_upgrade;": "",
        "proxy_set_header Connection $connection_upgrade;": "",
    }
    found = problems(proxy("nginx/one-server.conf", changes))
    assert {each.code for each in found} == {"upgrade-removed"}
    assert [each.text.startswith(NEWEST) for each in found] == [True, False]
    assert all("proxy_set_header Upgrade" in each.fix for each in found)


#: The lines by which later clients stay with their server.
BY_SID = {
    "nginx": {
        r"~^/socket\.io/?\?(.*&)?sid=a\.                  sockio_a;": "",
        r"~^/socket\.io/?\?(.*&)?sid=b\.                  sockio_b;": "",
        "least_conn;": "",  # in turn
    },
    "haproxy": {
        "use-server a if { url_param(sid) -m beg a. }": "",
        "use-server b if { url_param(sid) -m beg b. }": "",
        "balance leastconn": "balance roundrobin",
    },
}


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_two_servers_that_do_not_go_by_the_sid_in_the_query(
    kind: str, serve: Serve, proxy: StartProxy
) -> None:
    """Clients of 0.9, whose sid is in the path, do not notice."""
    found = problems(proxy(example(kind, "two-servers"), {**of_two(kind, serve), **BY_SID[kind]}))
    assert [each.code for each in found] == ["session-lost"]
    assert found[0].text.startswith(NEWEST)
    assert "sid_prefix" in found[0].fix
