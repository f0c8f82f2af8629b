"""A cable between client and server that can be cut."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import gevent
from gevent.server import StreamServer

__all__ = ["Cable", "cable_to"]


class Cable:
    """Forwards TCP connections to ``port`` on this machine."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._ends: set[Any] = set()
        self._server = StreamServer(("127.0.0.1", 0), self._forward)
        self._server.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _forward(self, client: Any, address: object) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        ends = {client, server}
        self._ends |= ends
        try:
            back = gevent.spawn(self._pump, server, client)
            self._pump(client, server)
            back.join()
        finally:
            self._ends -= ends
            client.close()
            server.close()

    @staticmethod
    def _pump(source: Any, target: Any) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def lead_to(self, port: int) -> None:
        """Forward new connections to another server."""
        self._target = ("127.0.0.1", port)

    def cut(self) -> None:
        """End every connection there is, on both sides. New ones are forwarded again."""
        for end in list(self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def remove(self) -> None:
        """Cut for good."""
        self._server.stop(timeout=0)
        self.cut()


@contextlib.contextmanager
def cable_to(port: int) -> Iterator[Cable]:
    """A cable to a server, removed at the end."""
    cable = Cable(port)
    try:
        yield cable
    finally:
        cable.remove()
