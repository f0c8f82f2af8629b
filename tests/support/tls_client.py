"""A client of TLS that does what Python's own cannot: OpenSSL itself, and a socket beside it."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
from typing import Any

import pytest

from .raw_http import Connection

__all__ = [
    "ALERT",
    "HANDSHAKE",
    "TLS_1_2",
    "TLS_1_3",
    "TlsClient",
    "greeting",
    "in_pieces",
]

#: Kinds of records, and versions of TLS.
ALERT, HANDSHAKE = 21, 22
TLS_1_2, TLS_1_3 = 0x0303, 0x0304
_SET_MIN, _SET_MAX = 123, 124


@functools.cache
def _library() -> Any:
    """OpenSSL's libssl; skips the test where there is none."""
    name = ctypes.util.find_library("ssl")
    if name is None:
        if os.environ.get("CI"):
            pytest.fail("needs libssl")
        pytest.skip("needs libssl")
    lib = ctypes.CDLL(name)
    for each in ("TLS_client_method", "SSL_CTX_new", "SSL_new", "BIO_new", "BIO_s_mem"):
        getattr(lib, each).restype = ctypes.c_void_p
    return lib


def _pointer(value: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(value)


class TlsClient(Connection):
    """One connection that has shaken hands. What is written goes out as it is: :meth:`sealed` gives
    records of data, :meth:`key_updates` and :meth:`renegotiation` such without."""

    def __init__(self, port: int, version: int = TLS_1_3) -> None:
        super().__init__(port)
        lib = self._lib = _library()
        context = _pointer(lib.SSL_CTX_new(_pointer(lib.TLS_client_method())))
        for limit in (_SET_MIN, _SET_MAX):
            lib.SSL_CTX_ctrl(context, limit, ctypes.c_long(version), None)
        self._ssl = _pointer(lib.SSL_new(context))
        lib.SSL_CTX_free(context)
        # They go with the connection.
        self._in, self._out = (_pointer(lib.BIO_new(_pointer(lib.BIO_s_mem()))) for _ in "io")
        lib.SSL_set_bio(self._ssl, self._in, self._out)
        lib.SSL_set_connect_state(self._ssl)
        while lib.SSL_do_handshake(self._ssl) != 1:
            self.send(self._written())
            self._take()
        self.send(self._written())

    def close(self) -> None:
        super().close()
        if self._ssl.value:
            self._lib.SSL_free(self._ssl)
            self._ssl = _pointer(None)

    def _written(self) -> bytes:
        buffer = ctypes.create_string_buffer(1 << 20)
        size = self._lib.BIO_read(self._out, buffer, len(buffer))
        return buffer.raw[: max(0, size)]

    def _take(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the server closed the connection")
        self._lib.BIO_write(self._in, data, len(data))

    def sealed(self, data: bytes) -> bytes:
        assert self._lib.SSL_write(self._ssl, data, len(data)) == len(data)
        return self._written()

    def key_updates(self, number: int) -> bytes:
        for _ in range(number):
            assert self._lib.SSL_key_update(self._ssl, 0) == 1
            assert self._lib.SSL_do_handshake(self._ssl) == 1
        return self._written()

    def renegotiation(self) -> bytes:
        """A greeting that asks to begin anew, in TLS 1.2."""
        assert self._lib.SSL_renegotiate(self._ssl) == 1
        self._lib.SSL_do_handshake(self._ssl)
        return self._written()

    def read_record(self) -> bytes:
        """The next record as it comes, its first byte its kind."""
        head = self._raw(5)
        return head + self._raw(int.from_bytes(head[3:5], "big"))

    def _raw(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise EOFError("the server closed the connection")
            data += more
        return data

    def _receive(self) -> None:
        buffer = ctypes.create_string_buffer(65536)
        while (size := self._lib.SSL_read(self._ssl, buffer, len(buffer))) <= 0:
            self._take()
        self._unread += buffer.raw[:size]


def in_pieces(message: bytes) -> bytes:
    """A message of a handshake, a byte in each record."""
    return b"".join(b"\x16\x03\x01\x00\x01" + bytes([each]) for each in message)


def greeting(group: int, *, key: bool = True) -> bytes:
    """A record with a ClientHello, of a client of TLS 1.3 and 1.2, that knows that group, and has a
    key of it or waits to be asked for one."""

    def part(kind: int, value: bytes) -> bytes:
        return kind.to_bytes(2, "big") + sized(value)

    def sized(value: bytes, digits: int = 2) -> bytes:
        return len(value).to_bytes(digits, "big") + value

    size = {0x0103: 768, 0x0104: 1024}[group]
    parts = (
        part(43, sized(b"\x03\x04\x03\x03", 1))  # versions
        + part(10, sized(group.to_bytes(2, "big")))  # groups
        + part(13, sized(b"\x04\x03\x08\x04"))  # signatures
        + part(51, sized(part(group, bytes(size - 1) + b"\2") if key else b""))  # keys
    )
    body = b"\x03\x03" + bytes(32) + b"\0" + sized(b"\x13\x01\xc0\x2b\xc0\x2f") + b"\1\0"
    return b"\x16\x03\x01" + sized(b"\x01" + sized(body + sized(parts), 3))
