"""The flash policy-file server: off, unless somebody asks for it and says for whom."""

from __future__ import annotations

import gc
import socket as stdlib_socket
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from sockio import SocketIOMiddleware
from sockio.config import Settings
from sockio.exceptions import SettingsError
from sockio.server import SocketIOServer, flash_policy
from sockio.server.flash_policy import FlashPolicyServer, policy_file

from ..support.raw_http import Connection
from ..support.servers import Served, not_ours
from ..support.transcript import eventually

REQUEST = b"<policy-file-request/>\0"


@pytest.fixture
def policy() -> Iterator[FlashPolicyServer]:
    server = FlashPolicyServer(("127.0.0.1", 0), ["www.example.com"], "8080")
    server.start()
    yield server
    server.stop(timeout=0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash_policy, "TIMEOUT", 0.1)


def port_of(policy: FlashPolicyServer | None) -> int:
    assert policy is not None
    assert policy.server_port is not None
    return policy.server_port


def everything(connection: Connection) -> bytes:
    """All that the server says before it hangs up."""
    data = b""
    while more := connection.sock.recv(65536):
        data += more
    return data


def ask(policy: FlashPolicyServer | None) -> bytes:
    with Connection(port_of(policy)) as connection:
        connection.send(REQUEST)
        return everything(connection)


def grants(answer: bytes) -> list[tuple[str | None, str | None]]:
    """The (domain, ports) of a policy file, which ends with a NUL."""
    assert answer.endswith(b"\0")
    root = ElementTree.fromstring(answer[:-1])
    assert root.tag == "cross-domain-policy"
    return [(each.get("domain"), each.get("to-ports")) for each in root]


# ---- The policy file


def test_the_file_to_the_byte() -> None:
    assert policy_file(["www.example.com"], "8080") == (
        b'<?xml version="1.0"?>\n'
        b"<!DOCTYPE cross-domain-policy SYSTEM "
        b'"http://www.macromedia.com/xml/dtds/cross-domain-policy.dtd">\n'
        b"<cross-domain-policy>\n"
        b'  <allow-access-from domain="www.example.com" to-ports="8080" />\n'
        b"</cross-domain-policy>\0"
    )


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        pytest.param(["a.example"], ["a.example"], id="one"),
        pytest.param(["a.example", "*.b.example"], ["a.example", "*.b.example"], id="two"),
        pytest.param("a.example", ["a.example"], id="one, as a string"),
        pytest.param(["*"], ["*"], id="everybody, because it is asked for"),
        pytest.param(['a"/><x y="'], ['a"/><x y="'], id="nothing leaves its attribute"),
    ],
)
def test_d75_the_domains_listed_and_no_others(domains: Any, expected: list[str]) -> None:
    assert grants(policy_file(domains, "843,8080-8090")) == [
        (domain, "843,8080-8090") for domain in expected
    ]


@pytest.mark.parametrize("domains", [[], (), ""])
def test_d75_without_domains_there_is_no_policy_and_the_error_says_what_to_write(
    domains: Any,
) -> None:
    with pytest.raises(SettingsError, match=r"policy_domains=\['www\.example\.com'\]"):
        policy_file(domains, "*")


# ---- Requests


def test_the_request_is_answered_and_the_connection_closed(policy: FlashPolicyServer) -> None:
    assert ask(policy) == policy_file(["www.example.com"], "8080")


@pytest.mark.parametrize("cut", range(1, len(REQUEST)))
def test_a_request_in_two_pieces(policy: FlashPolicyServer, cut: int) -> None:
    with Connection(port_of(policy)) as connection:
        connection.send(REQUEST[:cut])
        connection.send(REQUEST[cut:])
        assert grants(everything(connection)) == [("www.example.com", "8080")]


def test_a_request_byte_by_byte(policy: FlashPolicyServer) -> None:
    with Connection(port_of(policy)) as connection:
        for number in range(len(REQUEST)):
            connection.send(REQUEST[number : number + 1])
        assert grants(everything(connection)) == [("www.example.com", "8080")]


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="HTTP"),
        pytest.param(b"<policy-file-request/>\n", id="without its NUL"),
        pytest.param(REQUEST.upper(), id="in capitals"),
        pytest.param(b" " + REQUEST[:-1], id="behind a space"),
        pytest.param(b"\0" * 23, id="zeros"),
    ],
)
def test_anything_else_is_not_answered_and_logged_once(
    policy: FlashPolicyServer, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with Connection(port_of(policy)) as connection:
        connection.send(request_)
        assert connection.at_end()
    assert caplog.text.count("asked the flash policy server for something else") == 1
    assert grants(ask(policy))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("said", [b"", REQUEST[:1], REQUEST[:-1]])
def test_a_half_open_connection_is_ended(policy: FlashPolicyServer, said: bytes) -> None:
    with Connection(port_of(policy)) as connection:
        connection.send(said)
        assert connection.at_end()


@pytest.mark.parametrize("said", [b"", REQUEST[:5], REQUEST])
def test_who_hangs_up_harms_nobody(policy: FlashPolicyServer, said: bytes) -> None:
    for die in (Connection.close, Connection.reset):
        connection = Connection(port_of(policy))
        connection.send(said)
        die(connection)
    assert grants(ask(policy))


def test_the_time_is_three_seconds() -> None:
    assert flash_policy.TIMEOUT == 3.0


def test_who_is_silent_takes_nobody_elses_place(
    policy: FlashPolicyServer, caplog: pytest.LogCaptureFixture
) -> None:
    silent = [Connection(port_of(policy)) for _ in range(flash_policy.OF_ONE)]
    try:
        eventually(
            lambda: policy.pool is not None and len(policy.pool) == len(silent), "all are served"
        )
        with Connection(port_of(policy)) as one_more:
            assert everything(one_more) == b""
        assert "more than 10 files at a time" in caplog.text
        other = stdlib_socket.create_connection(
            ("127.0.0.1", port_of(policy)), 10, source_address=("127.0.0.2", 0)
        )
        with other:
            other.sendall(REQUEST)
            assert other.recv(65536)
    finally:
        for connection in silent:
            connection.close()
    # Their places are free again.
    eventually(lambda: policy.pool is not None and not len(policy.pool), "they are gone")
    assert grants(ask(policy)) == [("www.example.com", "8080")]


@pytest.mark.usefixtures("impatient")
def test_so_many_connections_are_served_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash_policy, "CONNECTIONS", 3)
    policy = FlashPolicyServer(("127.0.0.1", 0), ["*"])
    policy.start()
    silent = [Connection(port_of(policy)) for _ in range(10)]
    try:
        eventually(lambda: policy.pool is not None and policy.pool.full(), "the places are taken")
        # Those that wait come to their turn when the silent ones have had their time.
        assert grants(ask(policy)) == [("*", "*")]
        assert policy.pool is not None
        assert len(policy.pool) <= 3
    finally:
        for connection in silent:
            connection.close()
        policy.stop(timeout=0)


# ---- Together with the server


def test_d75_it_is_off_unless_it_is_asked_for(server: Served) -> None:
    assert Settings.make().policy_server is False
    assert server.server.policy_server is None
    named = SocketIOMiddleware(not_ours, {}, policy_domains=["www.example.com"])
    assert named.settings.policy_server is False


WITHOUT_A_PORT: dict[str, Any] = {"policy_server": True, "policy_domains": ["www.example.com"]}
ON = {**WITHOUT_A_PORT, "policy_listener_port": 0}


def test_it_starts_and_stops_with_the_server(start: Callable[..., Served]) -> None:
    server = start(**ON)
    policy = server.server.policy_server
    port = port_of(policy)
    assert grants(ask(policy)) == [("www.example.com", str(server.port))]
    assert policy is not None
    assert policy.server_host == "127.0.0.1"
    server.server.stop(timeout=0.1)
    assert server.server.policy_server is None
    with pytest.raises(ConnectionRefusedError):
        stdlib_socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(ON, id="as they are"),
        pytest.param(
            {
                "policy_server": "true",
                "policy_domains": "www.example.com",
                "policy_listener_host": "127.0.0.1",
                "policy_listener_port": "0",
            },
            id="as an ini file says them",
        ),
        pytest.param(
            {**WITHOUT_A_PORT, "policy_listener": ("127.0.0.1", 0)},
            id="policy_listener",
        ),
    ],
)
def test_it_is_asked_for_by_settings(
    start: Callable[..., Served], settings: dict[str, Any]
) -> None:
    server = start(**settings)
    assert grants(ask(server.server.policy_server)) == [("www.example.com", str(server.port))]


def test_domains_are_listed_by_commas_in_an_ini_file(start: Callable[..., Served]) -> None:
    server = start(**{**ON, "policy_server": "on", "policy_domains": "a.example, *.b.example"})
    granted = [domain for domain, _ in grants(ask(server.server.policy_server))]
    assert granted == ["a.example", "*.b.example"]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"policy_server": "maybe"}, id="neither yes nor no"),
        pytest.param({"policy_listener_port": "flash"}, id="no port"),
        pytest.param({"policy_listener_port": 70000}, id="no such port"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(SettingsError, match=f"setting {name}="):
        SocketIOMiddleware(not_ours, {}, **settings)


@pytest.mark.parametrize("listener", [843, "0.0.0.0:843", None, ("", 843, 1)])
def test_a_listener_that_is_none_is_refused(listener: Any) -> None:
    with pytest.raises(SettingsError, match=r"must be \(host, port\)"):
        SocketIOServer(("127.0.0.1", 0), not_ours, {}, policy_listener=listener)


def test_d75_a_server_for_which_no_domains_are_listed_does_not_start() -> None:
    """It fails where it is made, before anything listens."""
    with pytest.raises(SettingsError, match="policy_domains"):
        SocketIOServer(("127.0.0.1", 0), not_ours, {}, policy_server=True)


# gevent leaves the socket that it could not bind to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_port_that_is_taken_ends_the_start_of_both() -> None:
    with stdlib_socket.create_server(("127.0.0.1", 0)) as taken:
        listener = taken.getsockname()
        server = SocketIOServer(
            ("127.0.0.1", 0), not_ours, {}, policy_listener=listener, **WITHOUT_A_PORT
        )
        with pytest.raises(OSError, match="in use"):
            server.start()
        gc.collect()
        assert not server.started
        assert server.policy_server is None
        with pytest.raises(ConnectionRefusedError):
            stdlib_socket.create_connection(("127.0.0.1", server.server_port or 0))


def test_stopping_does_not_wait_for_a_client_that_says_nothing(
    start: Callable[..., Served],
) -> None:
    server = start(**ON)
    policy = server.server.policy_server
    with Connection(port_of(policy)) as connection:
        eventually(lambda: policy and policy.pool and len(policy.pool), "it is served")
        server.server.stop(timeout=0.01)
        assert connection.at_end()
