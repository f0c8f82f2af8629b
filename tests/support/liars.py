"""A process of the same user that connects to a worker, knows the key, and lies."""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from sockio.sessions.ids import WorkerIds

from .transcript import PATIENCE

__all__ = ["Liar", "request"]

#: No two have the same name.
_numbers = itertools.count()
_HEAD = struct.Struct(">IB")


def request(number: int, environ: Mapping[str, str], body: bytes = b"") -> bytes:
    """What a worker says that has got this request for a session of another."""
    place, names = b"socket.io", "\0".join(environ).encode()
    said = "\0".join([*environ.values(), ""]).encode()
    head = struct.pack(">IHII", number, len(place), len(names), len(said))
    return head + place + names + said + body


class Liar:
    """One at the worker whose boot id is ``boot``."""

    def __init__(self, mesh: Path, boot: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(os.fspath(mesh / boot))
        self.key = (mesh / "key").read_bytes()

    def greet(self, name: str = "") -> Liar:
        """Say that it is ``name``, or one that nobody else has."""
        self.name = name = name or f"L{next(_numbers):03}"
        proof = hashlib.blake2s(b"mesh" + name.encode(), key=self.key).digest()
        self.send(0, b"1" + name.encode() + proof)
        return self

    def session(self) -> str:
        """The id of a session that it has."""
        return WorkerIds(self.name, self.key).session()

    def send(self, kind: int, payload: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        data = _HEAD.pack(len(payload), kind) + payload
        if descriptors:
            socket.send_fds(self.sock, [data], list(descriptors))
        else:
            self.sock.sendall(data)

    def say_size(self, size: int) -> None:
        """The head of a frame that is that long."""
        self.sock.sendall(_HEAD.pack(size, 1))

    def hear(self) -> tuple[int, bytes]:
        """The next frame."""
        size, kind = _HEAD.unpack(self._read(_HEAD.size))
        return kind, self._read(size)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def hear_end(self) -> None:
        """It is sent away."""
        try:
            while True:
                self.hear()
        except (EOFError, ConnectionResetError):
            return

    def close(self) -> None:
        self.sock.close()
