"""HTTP by hand, over real connections that do what they are told: stay, hang up, trickle."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from .transcript import PATIENCE

__all__ = ["Answer", "Connection", "decode_payload", "get", "handshake", "post"]

C = TypeVar("C", bound="Connection")

#: Headers that say where a request comes from.
SOURCES = {"Origin", "Referer", "Sec-Fetch-Site"}


class Answer(NamedTuple):
    """One HTTP response. Header names are in lower case."""

    status: str
    headers: dict[str, str]
    body: str

    @property
    def code(self) -> int:
        return int(self.status.split()[1])

    @property
    def packets(self) -> list[str]:
        return decode_payload(self.body)


class Connection:
    """One TCP connection to a server on this machine.

    Requests for scripts say that a page of that server includes them, unless they say otherwise.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.scheme = "http" if tls is None else "https"
        self.sock: Any = socket.create_connection(("127.0.0.1", port))
        self.sock.settimeout(PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname="127.0.0.1")
        self._unread = b""

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- writing

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def request(
        self, method: str, path: str, body: str | bytes = b"", headers: Mapping[str, str] = {}
    ) -> None:
        """Send one request, without waiting for its answer."""
        data = body.encode() if isinstance(body, str) else body
        host, port = self.sock.getpeername()[:2]
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{port}"]
        if ("jsonp-polling/" in path or "jsonp=" in path) and not SOURCES & {*headers}:
            headers = {"Referer": f"{self.scheme}://{host}:{port}/", **headers}
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if method == "POST":
            lines.append(f"Content-Length: {len(data)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + data)

    # ---- reading

    def read(self, size: int) -> bytes:
        """Exactly so many bytes. Raises ``EOFError`` when the connection ends before."""
        while len(self._unread) < size:
            self._receive()
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to ``mark`` and with it."""
        while mark not in self._unread:
            self._receive()
        end = self._unread.index(mark) + len(mark)
        return self.read(end)

    def _receive(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(f"the server closed the connection behind {self._unread!r}")
        self._unread += data

    def answer(self) -> Answer:
        """The next response, whole."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        status, *lines = head.rstrip().split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = b""
        if "content-length" in headers:
            body = self.read(int(headers["content-length"]))
        elif "chunked" in headers.get("transfer-encoding", ""):
            while size := int(self.read_until(b"\r\n"), 16):
                body += self.read(size)
                self.read(2)
            self.read(2)
        return Answer(status, headers, body.decode())

    def ask(
        self, method: str, path: str, body: str | bytes = b"", headers: Mapping[str, str] = {}
    ) -> Answer:
        """Send one request and wait for its answer. The connection is kept."""
        self.request(method, path, body, headers)
        return self.answer()

    def at_end(self) -> bool:
        """Wait for the server to close or to reset; whether nothing more came before."""
        try:
            return not self._unread and self.sock.recv(1) == b""
        except ConnectionResetError:
            return not self._unread

    # ---- the end

    def close(self) -> None:
        """Hang up politely (FIN)."""
        self.sock.close()

    def reset(self) -> None:
        """Hang up as a crashed or impatient client does (RST)."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def get(
    port: int,
    path: str,
    headers: Mapping[str, str] = {},
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One GET over a connection of its own."""
    with Connection(port, tls) as connection:
        return connection.ask("GET", path, headers=headers)


def post(
    port: int,
    path: str,
    body: str | bytes,
    headers: Mapping[str, str] = {},
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One POST over a connection of its own."""
    with Connection(port, tls) as connection:
        return connection.ask("POST", path, body, headers)


def handshake(port: int, query: str = "", tls: ssl.SSLContext | None = None) -> str:
    """Do a handshake; gives the session id."""
    answer = get(port, f"/socket.io/1/{query}", tls=tls)
    assert answer.code == 200, answer
    return answer.body.split(":")[0]


def decode_payload(body: str) -> list[str]:
    """The packets in a body; lengths count UTF-16 units."""
    if not body.startswith("\ufffd"):
        return [body]
    units = body.encode("utf-16-le")
    mark = "\ufffd".encode("utf-16-le")
    packets, at = [], 0
    while at < len(units):
        assert units[at : at + 2] == mark
        end = units.index(mark, at + 2)
        while end % 2:
            end = units.index(mark, end + 1)
        size = 2 * int(units[at + 2 : end].decode("utf-16-le"))
        packets.append(units[end + 2 : end + 2 + size].decode("utf-16-le"))
        at = end + 2 + size
    return packets
