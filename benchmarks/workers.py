"""What several workers of one host cost: ``python -m benchmarks.workers``.

Workers are processes of ``benchmarks/servers/worker_server.py`` with a directory in common. CPU is
that of all workers, user and system, as the kernel counts it (in ticks of 10 ms); rows alternate so
that a noisy machine is noisy for all of them. Beside its peers: ``python -m benchmarks.clusters``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Ear", "main"]

ROOT = Path(__file__).resolve().parents[1]
SERVER = ROOT / "benchmarks" / "servers" / "worker_server.py"
TICK = os.sysconf("SC_CLK_TCK")


class Worker:
    def __init__(self, mesh: str, backplane: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), backplane],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "SOCKIO_MESH": mesh},
        )
        assert self.process.stdout is not None
        self.port: int = json.loads(self.process.stdout.readline())["port"]

    @property
    def cpu(self) -> float:
        """Seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    @property
    def memory(self) -> float:
        """MB of its own."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        private = [line for line in text.splitlines() if line.startswith("Private_")]
        return sum(int(line.split()[1]) for line in private) / 1000


@contextlib.contextmanager
def workers(count: int, backplane: str = "") -> Iterator[list[Worker]]:
    """So many, joined by a directory, or each a host of its own that a Redis server joins."""
    folder = tempfile.mkdtemp(prefix="mesh")
    found: list[Worker] = []
    try:
        for _ in range(count):
            found.append(Worker("off" if backplane else f"{folder}/m", backplane))
        yield found
    finally:
        for each in found:
            each.process.kill()
            each.process.wait()
        shutil.rmtree(folder, ignore_errors=True)


class Client:
    """One session that polls, over one kept connection."""

    def __init__(self, owner: int, asked: int, query: str = "") -> None:
        self.sock = socket.create_connection(("127.0.0.1", owner))
        self.path = "/socket.io/?EIO=4&transport=polling"
        opened = self.ask("GET")
        self.path += "&sid=" + json.loads(opened[1:])["sid"]
        self.ask("POST", "40")
        self.ask("GET")
        self.sock.close()
        self.sock = socket.create_connection(("127.0.0.1", asked))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, method: str, body: str = "") -> None:
        length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
        head = f"{method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: b\r\n{length}\r\n"
        self.sock.sendall((head + body).encode())

    def read(self) -> str:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.sock.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self.sock.recv(65536)
        return body.decode()

    def ask(self, method: str, body: str = "") -> str:
        self.send(method, body)
        return self.read()


def echoes(some: list[Worker], clients: list[Client], rounds: int) -> float:
    """Microseconds of the workers' CPU for one POST and one poll."""
    before = sum(each.cpu for each in some)
    for _ in range(rounds):
        for client in clients:
            client.send("POST", '421["echo","hello"]')
        for client in clients:
            client.read()
            client.send("GET")
        for client in clients:
            client.read()
    spent = sum(each.cpu for each in some) - before
    return spent * 1e6 / rounds / len(clients)


def forwarding(rounds: int) -> None:
    with workers(2) as some:
        rows: dict[str, list[float]] = {"direct": [], "through another worker": []}
        for _ in range(3):
            for name, asked in (("direct", 0), ("through another worker", 1)):
                clients = [Client(some[0].port, some[asked].port) for _ in range(20)]
                echoes(some, clients, 20)
                rows[name].append(echoes(some, clients, rounds))
                for client in clients:
                    client.sock.close()
        direct = statistics.median(rows["direct"])
        for name, found in rows.items():
            middle = statistics.median(found)
            say(f"a poll and a post, {name}: {middle:.0f} us, {middle / direct:.2f} x")
        say(f"memory of a worker: {some[0].memory:.1f} MB")


class Ear:
    """A client by a websocket, in the room of all. Raises ``TimeoutError`` where it is not let in
    within so many seconds."""

    def __init__(self, port: int, seconds: float = 30.0) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), seconds)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        self._data = b""
        self.until(b'"pingInterval"')
        self.say("40")
        self.until(b'40{"sid"')
        self.sock.settimeout(None)

    def say(self, text: str) -> None:
        data = text.encode()
        assert len(data) < 126, "of the benchmark's own"
        self.sock.sendall(bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data)

    def until(self, mark: bytes, times: int = 1) -> None:
        """Read until that has come so many times."""
        while (found := self._data.count(mark)) < times:
            times -= found
            # A mark may be in two pieces.
            more = self.sock.recv(1 << 20)
            if not more:
                raise EOFError("the server has closed the connection")
            self._data = self._data[len(self._data) - len(mark) + 1 :] + more
        self._data = b""


def emits(count: int, clients: int, emissions: int, backplane: str = "") -> None:
    """CPU of all workers for one delivery, when clients of all emit to all."""
    with workers(count, backplane=backplane) as some:
        ears = [Ear(some[number % count].port) for number in range(clients)]
        talkers = ears[:count]
        found = []
        for number in range(4):
            before = sum(each.cpu for each in some)
            for talker in talkers:
                talker.say(f'42["emit",{emissions // count},"xxxxxxxxxxxxxxxxxxxx"]')
            for ear in ears:
                ear.until(b'"text"', emissions // count * count)
            if number:
                found.append((sum(each.cpu for each in some) - before) * 1e6 / emissions / clients)
        way = "Redis" if backplane else "mesh"
        say(
            f"{count} workers ({way}), {clients} clients, a delivery: "
            f"{statistics.median(found):.2f} us of CPU"
        )
        if count > 1:
            latency(ears[0], ears[1], way)


def latency(one: Ear, other: Ear, way: str) -> None:
    """Milliseconds from a client of one worker to that of another."""
    samples = []
    for _ in range(300):
        began = time.perf_counter()
        one.say('42["emit",1,"x"]')
        other.until(b'"text"')
        samples.append((time.perf_counter() - began) * 1000)
        one.until(b'"text"')
    samples.sort()
    middle, worst = samples[150], samples[296]
    say(f"  to a client of another worker ({way}): p50 {middle:.2f} ms, p99 {worst:.2f}")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=400, help="of 20 clients each")
    parser.add_argument("--clients", type=int, default=200, help="that hear each emission")
    parser.add_argument("--redis", default="", help="URL of a server, to measure that, too")
    options = parser.parse_args()
    forwarding(options.rounds)
    for count in (1, 2, 4):
        emits(count, options.clients, 400)
    if options.redis:
        for count in (2, 4):
            emits(count, options.clients, 400, options.redis)


if __name__ == "__main__":
    main()
