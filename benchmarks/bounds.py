"""What clients can make a server keep, and write into its log: ``python -m benchmarks.bounds``.

Each row is measured in a server process of its own: resident memory before and after, divided by
the number of clients, or the bytes of its log. A minute in all; ``--docs`` writes the tables of
``docs/promises.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from .machine import commit, machine
from .process import die_in_time

__all__ = ["LOG", "MEMORY", "Client", "Server", "made_on", "main", "server"]

ROOT = Path(__file__).resolve().parents[1]
SERVER = ROOT / "benchmarks" / "servers" / "bounds_server.py"
PAGE = ROOT / "docs" / "performance" / "bounds.inc"

#: Clients of the rows that are about many, and the bytes that one which sends much does send.
MANY, MUCH = 2000, 40_000_000

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Server:
    """A server process, its memory and its log."""

    def __init__(self, log: IO[str], settings: dict[str, Any]) -> None:
        self._log = log
        self._clients: list[Client] = []
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), "--settings", json.dumps(settings)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=functools.partial(die_in_time, os.getpid()),
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def memory(self) -> int:
        """Resident bytes, when they no longer change: what was begun has been done."""
        before = 0
        for _ in range(50):
            status = Path(f"/proc/{self._process.pid}/status").read_text()
            now = int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) * 1024
            if abs(now - before) < 16384:
                break
            before = now
            time.sleep(0.2)
        return now

    def log(self) -> int:
        """Bytes of the log, at the end of the process."""
        self._process.terminate()
        self._process.wait(20)
        return os.fstat(self._log.fileno()).st_size

    def client(self) -> Client:
        """One more connection, open until the end."""
        self._clients.append(Client(self.port))
        return self._clients[-1]

    def end(self) -> None:
        for client in self._clients:
            client.sock.close()
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.contextmanager
def server(**settings: Any) -> Iterator[Server]:
    with tempfile.TemporaryFile("w+") as log:
        running = Server(log, settings)
        try:
            yield running
        finally:
            running.end()


# ---- clients, as raw as an attacker's


class Client:
    """One connection."""

    def __init__(self, port: int, source: str = "") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 20, (source, 0))

    def ask(self, method: str, path: str, headers: str = "", body: str = "") -> str:
        """The body of the answer; a websocket's first bytes are left unread."""
        length = f"Content-Length: {len(body.encode())}\r\n" if method == "POST" else ""
        self.sock.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}{length}\r\n{body}".encode()
        )
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.more()
        head, _, text = data.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        while found is not None and len(text) < int(found[1]):
            text += self.more()
        return text.decode("utf-8", "replace")

    def more(self) -> bytes:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        return data

    def handshake(self, headers: str = "") -> str:
        return self.ask("GET", "/socket.io/1/", headers).partition(":")[0]

    def websocket(self) -> None:
        self.ask("GET", f"/socket.io/1/websocket/{self.handshake()}", UPGRADE)

    def frame(self, text: str) -> bytes:
        size = len(text)
        if size < 126:
            head = bytes([0x81, 0x80 | size])
        elif size < 65536:
            head = struct.pack(">BBH", 0x81, 0xFE, size)
        else:
            head = struct.pack(">BBQ", 0x81, 0xFF, size)
        return head + bytes(4) + text.encode()  # the mask is zero

    def send(self, text: str) -> None:
        self.sock.sendall(self.frame(text))

    def send_on(self, text: str, size: int, patience: float = 3.0) -> None:
        """Send it again and again, until ``size`` bytes are taken or nobody reads any more."""
        frames = memoryview(self.frame(text) * max(1, 1_000_000 // len(text)))
        self.sock.settimeout(patience)
        sent = at = 0
        with contextlib.suppress(OSError):
            while sent < size:
                taken = self.sock.send(frames[at:])
                sent, at = sent + taken, (at + taken) % len(frames)


def silent(running: Server) -> list[Client]:
    return [running.client() for _ in range(MANY)]


def half_a_head(running: Server) -> None:
    for client in silent(running):
        client.sock.sendall(b"GET /socket.io/1/ HTTP/1.1\r\nX-Much: " + b"x" * 4000)


def unopened(running: Server) -> None:
    client = running.client()
    for _ in range(MANY):
        client.handshake()


def unopened_with_headers(running: Server) -> None:
    client = running.client()
    for _ in range(MANY):
        client.handshake(f"Cookie: {'c' * 10_000}\r\n")


def polling(running: Server) -> None:
    client = running.client()
    for _ in range(MANY):
        client.ask("GET", f"/socket.io/1/xhr-polling/{client.handshake()}")


def websockets(running: Server) -> None:
    for client in silent(running):
        client.websocket()


def small_events(running: Server) -> None:
    _unread(running, '5:::{"name":"wait","args":[1]}')


def large_events(running: Server) -> None:
    _unread(running, '5:::{"name":"wait","args":["%s"]}' % ("x" * 500_000))


def listed_events(running: Server) -> None:
    _unread(running, '5:::{"name":"wait","args":' + str([[]] * 100_000) + "}")


def _unread(running: Server, packet: str) -> None:
    client = running.client()
    client.websocket()
    client.send_on(packet, MUCH)


def slow_reader(running: Server) -> None:
    client = running.client()
    sid = client.handshake()
    path = f"/socket.io/1/xhr-polling/{sid}"
    client.ask("GET", path)
    # Just under the limit: above it the session ends.
    client.ask("POST", path, body='5:::{"name":"flood","args":[39000,100]}')


#: What is kept, how it is measured, by how many clients, with which settings.
MEMORY: dict[str, tuple[str, Callable[[Server], object], int]] = {
    "silent": ("a connection that sends nothing", silent, MANY),
    "half": ("a connection with 4 kB of an unfinished head", half_a_head, MANY),
    "unopened": ("a session that was handshaken and never opened", unopened, MANY),
    "headers": (
        "the same, its handshake having brought 10 kB of cookies",
        unopened_with_headers,
        MANY,
    ),
    "polling": ("an opened polling session, between two polls", polling, MANY),
    "websocket": ("an idle websocket", websockets, MANY),
    "small": ("one client's full inbox: 40 MB of small events behind a slow one", small_events, 1),
    "large": ("the same, of events of 500 kB", large_events, 1),
    "lists": ("the same, of lists of 100 000 lists", listed_events, 1),
    "outbox": ("one client's full outbox: it does not read", slow_reader, 1),
}


# ---- the log


def refused(running: Server) -> None:
    client = running.client()
    for _ in range(2000):
        client.ask("GET", "/socket.io/1/carrier-pigeon/x")


def refused_at_length(running: Server) -> None:
    more = f"X-Forwarded-Host: {'f' * 10_000}\r\nOrigin: http://{'o' * 1000}\r\n"
    for _ in range(2000):
        client = running.client()
        client.ask("GET", "/socket.io/1/", more)
        client.sock.close()


def opened(running: Server) -> None:
    client = running.client()
    for _ in range(2000):
        path = f"/socket.io/1/xhr-polling/{client.handshake()}"
        client.ask("GET", path)
        client.ask("GET", f"{path}?disconnect=1")


def events(packet: str, count: int) -> Callable[[Server], None]:
    def send(running: Server) -> None:
        client = running.client()
        client.websocket()
        client.send_on(packet, len(client.frame(packet)) * count, patience=20)
        time.sleep(2)

    return send


LOG: dict[str, tuple[str, Callable[[Server], None]]] = {
    "refused": ("2 000 refused requests", refused),
    "long": ("2 000 refused requests with headers of 11 kB", refused_at_length),
    "sessions": ("2 000 sessions that open and end", opened),
    "nobody": ("2 000 events that nobody handles", events('5:::{"name":"nobody"}', 2000)),
    "names": (
        "100 events with names of 500 kB",
        events('5:::{"name":"%s"}' % ("n" * 500_000), 100),
    ),
    "failures": (
        "2 000 events whose handler raises",
        events('5:::{"name":"fail","args":["%s"]}' % ("t" * 1000), 2000),
    ),
    "garbage": ("2 000 frames that are no packets", events("\x1b[2J no packet", 2000)),
}


# ---- all of it


def measure_memory(name: str) -> int:
    """Bytes that one client of this row makes the server keep."""
    _, attack, number = MEMORY[name]
    with server() as running:
        # What is made once, for the first client of a kind.
        running.client().websocket()
        before = running.memory()
        attack(running)
        return (running.memory() - before) // number


def measure_log(name: str) -> int:
    """Bytes of log, the server's end included."""
    with server() as running:
        LOG[name][1](running)
        return running.log()


def made_on() -> str:
    """The machine and the versions of a measurement, as a sentence without its end."""
    shown = ", ".join(each for name, each in machine().items() if name != "open files")
    version = f"Python {sys.version.split()[0]}, commit {commit(ROOT) or 'unknown'}"
    return f"Measured on {shown}; {version}"


def _shown(size: int) -> str:
    if size < 100_000:
        return f"{size / 1000:.1f} kB"
    return f"{size / 1_000_000:.1f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bounds", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join([*MEMORY, *LOG])}")
    parser.add_argument("--docs", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    wanted = options.rows or [*MEMORY, *LOG]
    memory, log = (
        ["| kept for | memory |", "|---|---:|"],
        ["| caused by one client | log |", "|---|---:|"],
    )
    for name in wanted:
        if name in MEMORY:
            row = f"| {MEMORY[name][0]} | {_shown(measure_memory(name))} |"
            memory.append(row)
        else:
            row = f"| {LOG[name][0]} | {_shown(measure_log(name))} |"
            log.append(row)
        print(row, flush=True)
    if options.docs:
        PAGE.write_text("\n".join([*memory, "", *log, "", f"{made_on()}.", ""]))


if __name__ == "__main__":
    main()
