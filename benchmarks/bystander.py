"""What a bystander feels while one client floods: ``python -m benchmarks.bystander``.

For each flood a server process, a process that floods it, and one websocket that asks for an echo
again and again for three seconds: its round trips. They are the machine's, too, which the row
"nobody" shows: three processes want a core each, and what else runs is in the worst of them.
``--docs`` writes the table of ``docs/promises.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

from .bounds import ROOT, Client, Server, made_on, server

__all__ = ["FLOODS", "main", "measure"]

PAGE = ROOT / "docs" / "performance" / "bystander.inc"
SECONDS = 3.0

Wrap = Callable[[socket.socket], socket.socket]


def _connect(port: int, tls: bool) -> Client:
    client = Client(port)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        client.sock = context.wrap_socket(client.sock)
    return client


def _without_end(sock: socket.socket, data: bytes) -> None:
    """Send it again and again, and read away what is answered."""

    def read() -> None:
        with contextlib.suppress(OSError):
            while sock.recv(1 << 20):
                pass

    threading.Thread(target=read, daemon=True).start()
    with contextlib.suppress(OSError):
        while True:
            sock.sendall(data)


def nobody(port: int, tls: bool) -> None:
    threading.Event().wait()


def requests(path: str) -> Callable[[int, bool], None]:
    def flood(port: int, tls: bool) -> None:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        _without_end(_connect(port, tls).sock, request * 2000)

    return flood


def frames(packet: str, opcode: int = 1, clients: int = 1) -> Callable[[int, bool], None]:
    def flood(port: int, tls: bool) -> None:
        for _ in range(clients):
            client = _connect(port, tls)
            client.websocket()
            frame = client.frame(packet)
            frame = bytes([0x80 | opcode]) + frame[1:]
            data = frame * max(1, 200_000 // len(frame))
            threading.Thread(target=_without_end, args=(client.sock, data), daemon=True).start()
        threading.Event().wait()

    return flood


def posts(transport: str, body: str) -> Callable[[int, bool], None]:
    def flood(port: int, tls: bool) -> None:
        client = _connect(port, tls)
        path = (
            f"/socket.io/1/{transport}/{client.handshake('Referer: http://x/' + chr(13) + chr(10))}"
        )
        more = "Referer: http://x/\r\n"
        client.ask("GET", path, more)
        with contextlib.suppress(OSError, EOFError):
            while True:
                client.ask("POST", path, more, body)

    return flood


#: What floods, in words; how; whether over TLS.
FLOODS: dict[str, tuple[str, Callable[[int, bool], None], bool]] = {
    "nobody": ("nobody", nobody, False),
    "pages": ("pages of the application, pipelined", requests("/page"), False),
    "handshakes": ("handshakes, pipelined", requests("/socket.io/1/"), False),
    "refused": ("refused requests, pipelined", requests("/socket.io/1/pigeon/x"), False),
    "noops": ("a websocket with noops", frames("8::"), False),
    "pings": ("a websocket with pings", frames("", opcode=9), False),
    "junk": ("a websocket with what is no packet", frames("?"), False),
    "events": ("a websocket with events", frames('5:::{"name":"echo","args":[1]}'), False),
    "failing": (
        "a websocket with events whose handler raises",
        frames('5:::{"name":"fail","args":["x"]}'),
        False,
    ),
    "work": (
        "20 websockets with events of 1 ms",
        frames('5:::{"name":"work","args":[1]}', clients=20),
        False,
    ),
    "large": (
        "a websocket with events of 900 kB",
        frames('5:::{"name":"echo","args":["%s"]}' % ("x" * 900_000)),
        False,
    ),
    "percent": ("forms of a megabyte of %", posts("jsonp-polling", "d=" + "%" * 990_000), False),
    "packets": (
        "bodies of 9 000 packets",
        posts("xhr-polling", "\ufffd3\ufffd8::" * 9_000),
        False,
    ),
    "tls-pages": ("pages over TLS, pipelined", requests("/page"), True),
    "tls-pings": ("a websocket over TLS with pings", frames("", opcode=9), True),
    "tls-noops": ("a websocket over TLS with noops", frames("8::"), True),
}


@contextlib.contextmanager
def certificate() -> Iterator[dict[str, str]]:
    """Options of the server for TLS."""
    with tempfile.TemporaryDirectory() as folder:
        key, cert = f"{folder}/key", f"{folder}/cert"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", "/CN=localhost", "-keyout", key, "-out", cert]
        subprocess.run(command, capture_output=True, check=True)
        yield {"keyfile": key, "certfile": cert}


def measure(name: str, seconds: float = SECONDS) -> tuple[float, float, float]:
    """Of the bystander's round trips the median, the one that 99 of 100 do not exceed, and the
    worst, in milliseconds."""
    tls = FLOODS[name][2]
    with contextlib.ExitStack() as stack:
        options = stack.enter_context(certificate()) if tls else {}
        running = stack.enter_context(server(**options))
        bystander = _connect(running.port, tls)
        stack.callback(bystander.sock.close)
        bystander.websocket()
        echo(bystander)
        stack.enter_context(_flooding(name, running))
        time.sleep(0.5)
        times, ends = [], time.perf_counter() + seconds
        while time.perf_counter() < ends:
            started = time.perf_counter()
            try:
                times.append(echo(bystander))
            except TimeoutError:
                times.append(time.perf_counter() - started)
                break
            time.sleep(0.005)
    times.sort()
    return (
        statistics.median(times) * 1000,
        times[len(times) * 99 // 100] * 1000,
        times[-1] * 1000,
    )


def echo(client: Client) -> float:
    """Seconds that an event and its ack take."""
    started = time.perf_counter()
    client.send('5:1+::{"name":"echo","args":["bystander"]}')
    received = b""
    while b"6:::1+" not in received:
        received += client.more()
    return time.perf_counter() - started


@contextlib.contextmanager
def _flooding(name: str, running: Server) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.bystander", "--flood", name, str(running.port)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            yield
            if process.poll() not in (None, 0):
                raise RuntimeError(f"the flood {name!r} failed")
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bystander", description=__doc__)
    parser.add_argument("floods", nargs="*", metavar="FLOOD", help=f"of {', '.join(FLOODS)}")
    parser.add_argument("--docs", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--flood", nargs=2, metavar=("FLOOD", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flood:
        name, port = options.flood
        FLOODS[name][1](int(port), FLOODS[name][2])
        return
    lines = ["| who floods | median | 99 % | worst |", "|---|---:|---:|---:|"]
    for name in options.floods or FLOODS:
        median, nearly, worst = measure(name)
        shown = f"{median:.1f} ms | {nearly:.0f} ms | {worst:.0f} ms"
        lines.append(f"| {FLOODS[name][0]} | {shown} |")
        print(lines[-1], flush=True)
    if options.docs:
        busy = f"load of the machine {os.getloadavg()[0]:.1f}"
        PAGE.write_text("\n".join([*lines, "", f"{made_on()}; {busy}.", ""]))


if __name__ == "__main__":
    main()
