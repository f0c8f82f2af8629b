"""The floor for Python: what the workload costs on gevent's loop with nothing around it.

Like ``floor.c`` it speaks so much of Socket.IO 0.9 over websocket that the load generator is
content: no UTF-8 check, no timer, no session, no dispatch. Each connection is an io watcher and no
greenlet; frames of one read leave in one send for each connection.
"""

from __future__ import annotations

import json
import platform
import socket
from importlib.metadata import version
from typing import Any

import gevent

SHAKEN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 44\r\n\r\n"
    b"abcdefghijklmnopqrst:60:60:websocket,polling"
)
# The answer to the constant key of the load generator.
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

decode = json.JSONDecoder().decode
encode = json.JSONEncoder(separators=(",", ":")).encode
loop: Any = gevent.get_hub().loop
everybody: dict[Connection, None] = {}


def frame(text: str) -> bytes:
    data = text.encode()
    size = len(data)
    return (bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")) + data


class Connection:
    __slots__ = ("answers", "left", "pending", "shouts", "sock", "upgraded", "watcher", "writer")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.left = self.pending = b""
        self.upgraded = False
        self.answers: list[bytes] = []
        self.shouts: list[bytes] = []
        self.writer: Any = None
        self.watcher = loop.io(sock.fileno(), 1)
        self.watcher.start(self.readable)

    def send(self, data: bytes) -> None:
        if not self.pending:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return
            if sent == len(data):
                return
            data = data[sent:]
            self.writer = loop.io(self.sock.fileno(), 2)
            self.writer.start(self.writable)
        self.pending += data

    def writable(self) -> None:
        try:
            sent = self.sock.send(self.pending)
        except BlockingIOError:
            return
        self.pending = self.pending[sent:]
        if not self.pending:
            self.writer.stop()
            self.writer.close()
            self.writer = None

    def readable(self) -> None:
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end()
            return
        if not self.upgraded:
            self.request(data)
            return
        self.frames(self.left + data if self.left else data)
        if self.answers:
            self.send(b"".join(self.answers))
            self.answers.clear()
        if self.shouts:
            joined = b"".join(self.shouts)
            self.shouts.clear()
            for connection in everybody:
                connection.send(joined)

    def request(self, data: bytes) -> None:
        if b"\r\nUpgrade: websocket" in data:
            self.upgraded = True
            self.send(SWITCHED + frame("1::"))
        else:
            self.send(SHAKEN)

    def frames(self, data: bytes) -> None:
        at, end = 0, len(data)
        while end - at >= 6:
            size, start = data[at + 1] & 127, at + 6
            if size == 126:
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 8
            if start + size > end:
                break
            if data[at] == 0x88:
                self.end()
                return
            mask = data[start - 4 : start]
            key = (mask * (size // 4 + 1))[:size]
            plain = int.from_bytes(data[start : start + size], "big") ^ int.from_bytes(key, "big")
            self.packet(plain.to_bytes(size, "big").decode())
            at = start + size
        self.left = data[at:]

    def packet(self, text: str) -> None:
        if text[0] == "1":
            everybody[self] = None
            self.send(frame(text))
        elif text[0] == "5":
            _, number, _, content = text.split(":", 3)
            event = decode(content)
            if event["name"] == "echo":
                self.answers.append(frame(f"6::/bench:{number}{encode(event['args'])}"))
            else:
                self.shouts.append(frame(f"5::/bench:{encode(event)}"))

    def end(self) -> None:
        if self.watcher is None:
            return
        everybody.pop(self, None)
        for watcher in (self.watcher, self.writer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self.watcher = self.writer = None
        self.sock.close()


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    acceptor = loop.io(listener.fileno(), 1)

    def come() -> None:
        try:
            Connection(listener.accept()[0])
        except BlockingIOError:
            return

    acceptor.start(come)
    versions = {"Python": platform.python_version(), "gevent": version("gevent")}
    print(json.dumps({"port": listener.getsockname()[1], "versions": versions}), flush=True)
    gevent.get_hub().join()


if __name__ == "__main__":
    main()
