"""What a peer may have TLS do before anybody else has a say: a number of records without data, and
no key exchange that takes long. Who wants more is cut within that very read."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sockio.exceptions import SettingsError
from sockio.server.tls_records import RECORDS

from ..support.echo import Echo
from ..support.leaks import descriptors
from ..support.raw_http import Connection, get
from ..support.raw_websocket import TEXT, frame
from ..support.servers import Served, not_ours
from ..support.tls import Certificate
from ..support.tls_client import (
    ALERT,
    HANDSHAKE,
    TLS_1_2,
    TlsClient,
    greeting,
    in_pieces,
)
from ..support.transcript import eventually

UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PAGE = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"
#: Half of a POST, of which the rest is awaited.
BODY = b"POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"


@pytest.fixture
def context(certificate: Certificate) -> ssl.SSLContext:
    return certificate.server_context()


@pytest.fixture
def server(serve: Callable[..., Served], context: ssl.SSLContext) -> Served:
    return serve(not_ours, {"": Echo}, ssl_context=context)


def new(client: TlsClient) -> None:
    """Nothing but the handshake."""


def kept(client: TlsClient) -> None:
    client.send(client.sealed(PAGE))
    assert client.answer().code == 200


def in_a_body(client: TlsClient) -> None:
    client.send(client.sealed(BODY))


def polling(client: TlsClient) -> None:
    client.send(client.sealed(PAGE.replace(b"/page", b"/socket.io/?EIO=4&transport=polling")))
    sid = client.answer().body.split('"sid":"')[1].partition('"')[0].encode()
    asked = b"/socket.io/?EIO=4&transport=polling&sid=" + sid
    client.send(client.sealed(PAGE.replace(b"/page", asked)))


def websocket(client: TlsClient) -> None:
    client.send(client.sealed(UPGRADE))
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    client.send(client.sealed(frame(TEXT, "40")))
    client.read_until(b"40{")


def choose_another(context: ssl.SSLContext, certificate: Certificate) -> None:
    """As an application does that has several certificates."""
    other = certificate.server_context()

    def choose(sock: Any, name: str | None, asked: ssl.SSLContext) -> None:
        sock.context = other

    context.sni_callback = choose


def read_to_the_end(client: Connection) -> bytes:
    read = b""
    with contextlib.suppress(ConnectionResetError):
        while data := client.sock.recv(65536):
            read += data
    return read


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[..., None]:
    """Wait for so many lines of a code, of which there are no more."""

    def wait(code: str, number: int = 1) -> None:
        eventually(lambda: caplog.text.count(f"[{code}]") >= number, "it is told")
        assert caplog.text.count(f"[{code}]") == number

    return wait


Told = Callable[..., None]


@pytest.mark.parametrize("where", [new, kept, in_a_body, websocket])
def test_who_updates_keys_without_end_is_cut(
    server: Served,
    certificate: Certificate,
    where: Callable[[TlsClient], None],
    told: Told,
    caplog: pytest.LogCaptureFixture,
) -> None:
    get(server.port, "/page", tls=certificate.client_context())
    before = descriptors()
    for _ in range(3):
        with TlsClient(server.port) as client:
            where(client)
            client.send(client.key_updates(2 * RECORDS))
            read_to_the_end(client)
    told("too-many-records", 3)
    assert "ended TLS with 127.0.0.1: more than 250 records without data" in caplog.text
    eventually(lambda: server.server.connections == 0, "nobody is left")
    eventually(lambda: descriptors() <= before, "every descriptor is closed")
    eventually(lambda: not server.registry.sockets, "and every session")
    assert get(server.port, "/page", tls=certificate.client_context()).code == 200


def test_nothing_is_read_behind_the_last_one(
    server: Served, context: ssl.SSLContext, told: Told
) -> None:
    """What the kernel has of it already is thrown away."""
    updates: list[int] = []

    def callback(_: Any, direction: str, *what: Any) -> None:
        if (direction, *what[1:3]) == ("read", 22, 24):
            updates.append(1)

    context._msg_callback = callback  # type: ignore[attr-defined]
    with TlsClient(server.port) as client:
        client.send(client.key_updates(1000))
        read_to_the_end(client)
    told("too-many-records")
    assert len(updates) <= RECORDS


def test_under_a_poll_that_waits_nobody_reads(server: Served, told: Told) -> None:
    """So what comes meanwhile waits in the kernel, and counts behind the answer."""
    with TlsClient(server.port) as client:
        polling(client)
        eventually(lambda: len(server.registry.sockets) == 1, "the session is there")
        client.send(client.key_updates(2 * RECORDS))
        (socket,) = server.registry.sockets.values()
        socket.disconnect()
        read_to_the_end(client)
    told("too-many-records")


def test_who_updates_keys_now_and_then_is_served(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TlsClient(server.port) as client:
        for _ in range(RECORDS // 20):
            client.send(client.key_updates(10))
            kept(client)
    # A minute is over with each record.
    monkeypatch.setattr("sockio.server.tls_records.WINDOW", 0.0)
    with TlsClient(server.port) as client:
        client.send(client.key_updates(2 * RECORDS))
        kept(client)


def test_what_is_encrypted_as_data_does_not_count(server: Served) -> None:
    with TlsClient(server.port) as client:
        for byte in PAGE * 10:
            client.send(client.sealed(bytes([byte])))
        for _ in range(10):
            assert client.answer().code == 200


def test_a_greeting_in_pieces_is_cut(server: Served, told: Told) -> None:
    with Connection(server.port) as client:
        client.send(in_pieces(b"\x01\x00\xff\xff" + bytes(RECORDS)))
        read_to_the_end(client)
    told("too-many-records")


def test_whoever_asks_to_begin_anew_is_not_obeyed(server: Served, context: ssl.SSLContext) -> None:
    assert context.options & ssl.OP_NO_RENEGOTIATION
    with TlsClient(server.port, TLS_1_2) as client:
        kept(client)
        asks = client.renegotiation()
        assert asks[0] == HANDSHAKE
        client.send(asks)
        assert client.read_record()[0] == ALERT  # a warning


@pytest.mark.parametrize("asked", [False, True], ids=["", "asked"])
@pytest.mark.parametrize("by_name", [False, True], ids=["", "by-name"])
@pytest.mark.parametrize("group", [0x0103, 0x0104], ids=["ffdhe6144", "ffdhe8192"])
def test_a_key_exchange_that_takes_long_is_refused(
    server: Served,
    context: ssl.SSLContext,
    certificate: Certificate,
    group: int,
    by_name: bool,
    asked: bool,
    told: Told,
) -> None:
    if by_name:
        choose_another(context, certificate)
    with Connection(server.port) as client:
        if asked:
            client.send(greeting(group, key=False))
        client.send(greeting(group))
        assert read_to_the_end(client)[-7:-2] == b"\x15\x03\x03\x00\x02"  # an alert
    told("costly-key-exchange")
    assert get(server.port, "/page", tls=certificate.client_context()).code == 200


# ---- Contexts


def test_the_applications_own_callback_is_called(
    server: Served, context: ssl.SSLContext, certificate: Certificate, told: Told
) -> None:
    """Whether it was there before the server or comes later."""
    seen: list[Any] = []

    def callback(*args: Any) -> None:
        seen.append(args)

    for number in (1, 2):
        context._msg_callback = callback  # type: ignore[attr-defined]
        assert get(server.port, "/page", tls=certificate.client_context()).code == 200
        assert context._msg_callback is callback  # type: ignore[attr-defined]
        assert seen
        sock, direction, version, *_ = seen[0]
        assert (type(sock).__name__, direction) == ("SSLSocket", "read")
        assert isinstance(version, ssl.TLSVersion)
        with TlsClient(server.port) as client:
            client.send(client.key_updates(2 * RECORDS))
            read_to_the_end(client)
        told("too-many-records", number)
        seen.clear()


def test_a_context_that_is_chosen_by_name_is_watched_as_well(
    server: Served, context: ssl.SSLContext, certificate: Certificate, told: Told
) -> None:
    choose_another(context, certificate)
    with TlsClient(server.port) as client:
        client.send(client.key_updates(2 * RECORDS))
        read_to_the_end(client)
    told("too-many-records")


def test_a_server_with_files_makes_one_context_of_them(
    serve: Callable[..., Served], certificate: Certificate, told: Told
) -> None:
    files = {"certfile": str(certificate.certfile), "keyfile": str(certificate.keyfile)}
    server = serve(not_ours, {"": Echo}, **files, cert_reqs=ssl.CERT_NONE, ciphers="DEFAULT")
    assert get(server.port, "/page", tls=certificate.client_context()).code == 200
    with TlsClient(server.port) as client:
        client.send(client.key_updates(2 * RECORDS))
        read_to_the_end(client)
    told("too-many-records")


def test_files_that_are_none_are_told_at_the_start(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        serve(not_ours, {"": Echo}, certfile=str(tmp_path / "nowhere.pem"))
