"""What a bystander feels while others flood: ``python -m benchmarks.bystander``.

Each row is a server process of its own, a process that floods it for three seconds, and one that
meanwhile asks for echoes over a kept websocket and over long-polling, and handshakes anew. Five
minutes in all; ``--docs`` writes the table of ``docs/promises.md``, and the samples beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import ctypes.util
import functools
import json
import os
import re
import shutil
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from .bounds import UPGRADE, Client
from .machine import commit, machine
from .process import cores, die_in_time, prepare

__all__ = ["FLOODS", "Felt", "main", "measure"]

ROOT = Path(__file__).resolve().parents[1]
SERVER = ROOT / "benchmarks" / "servers" / "bystander_server.py"
PAGE = ROOT / "docs" / "performance" / "bystander.inc"

#: Seconds of a flood, and how long the bystander waits for an answer after it.
SECONDS, PATIENCE = 3.0, 20.0
#: Seconds in which the server notices that those who flooded are gone.
AFTERMATH = 0.5
#: Seconds that the processes of one row may live beyond that.
LIFE = 60
#: Where the bystander is: elsewhere than those who flood, who are one client with one address.
ELSEWHERE, BESIDE = "127.0.0.2", "127.0.0.1"
ECHO = '5:1+::{"name":"echo"}'
ANSWER = b"6:::1"
#: What a browser says with a script or a form of JSONP, without which sockio refuses it.
REFERER = "Referer: http://x/\r\n"


@functools.cache
def _trusting() -> ssl.SSLContext:
    """Made once: to read the certificates of the system takes longer than what is measured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Visitor(Client):
    """One connection, over TLS if the server speaks it."""

    def __init__(self, port: int, tls: bool = False, source: str = "") -> None:
        super().__init__(port, source)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = _trusting().wrap_socket(self.sock)

    def read_on(self) -> None:
        """Read and forget what comes, beside everything else."""

        def read() -> None:
            with contextlib.suppress(OSError):
                while self.sock.recv(1 << 20):
                    pass

        threading.Thread(target=read, daemon=True).start()

    def hear(self, text: bytes, until: float) -> None:
        """Read until ``text`` has come; raises ``TimeoutError`` at that time."""
        data = b""
        while text not in data:
            if time.perf_counter() > until:
                raise TimeoutError
            data = data[-20:] + self.more()

    def opened(self) -> Visitor:
        """With a websocket, its session connected."""
        self.websocket()
        return self


# ---- those who flood: what they do again and again


Step = Callable[[], object]
#: One of the bystander's: it raises ``OSError`` or ``EOFError`` when it is not answered by a time.
Ask = Callable[[float], object]
Prepare = Callable[[int, bool], Step]


def pages(port: int, tls: bool) -> Step:
    visitor = Visitor(port, tls)
    visitor.read_on()
    return lambda: visitor.sock.sendall(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)


def refused(port: int, tls: bool) -> Step:
    visitor = Visitor(port, tls)
    visitor.read_on()
    request = b"GET /socket.io/1/carrier-pigeon/x HTTP/1.1\r\nHost: x\r\n\r\n"
    return lambda: visitor.sock.sendall(request * 100)


def handshakes(port: int, tls: bool) -> Step:
    visitor = Visitor(port, tls)
    visitor.read_on()
    return lambda: visitor.sock.sendall(b"GET /socket.io/1/ HTTP/1.1\r\nHost: x\r\n\r\n" * 100)


def polls(port: int, tls: bool) -> Step:
    visitor = Visitor(port, tls)
    path = f"/socket.io/1/xhr-polling/{visitor.handshake()}"
    visitor.ask("GET", path)
    visitor.read_on()
    post = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n8::".encode()
    return lambda: visitor.sock.sendall(post * 500)


def connections(port: int, tls: bool) -> Step:
    def storm() -> None:
        for sock in [socket.create_connection(("127.0.0.1", port), 20) for _ in range(50)]:
            sock.close()

    return storm


def frames(what: str) -> Prepare:
    def prepare(port: int, tls: bool) -> Step:
        visitor = Visitor(port, tls).opened()
        if not tls:
            visitor.read_on()
        data = (bytes([0x89, 0x80]) + bytes(4) if what == "ping" else visitor.frame(what)) * 5000
        return lambda: visitor.sock.sendall(data)

    return prepare


def large(packet: str) -> Prepare:
    def prepare(port: int, tls: bool) -> Step:
        visitor = Visitor(port, tls).opened()
        visitor.read_on()
        data = visitor.frame(packet)
        return lambda: visitor.sock.sendall(data)

    return prepare


def posts(transport: str, body: str, *, chunked: bool = False) -> Prepare:
    def prepare(port: int, tls: bool) -> Step:
        visitor = Visitor(port, tls)
        path = f"/socket.io/1/{transport}/{visitor.handshake()}"
        visitor.ask("GET", path, REFERER)
        if not chunked:
            return lambda: visitor.ask("POST", path, REFERER, body)
        visitor.read_on()
        pieces = b"1\r\nx\r\n" * len(body)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        return lambda: visitor.sock.sendall(head.encode() + pieces + b"0\r\n\r\n")

    return prepare


def work(clients: int, milliseconds: int) -> Prepare:
    def prepare(port: int, tls: bool) -> Step:
        visitors = [Visitor(port, tls).opened() for _ in range(clients)]
        data = visitors[0].frame(f'5:::{{"name":"work","args":[{milliseconds}]}}') * 100
        for visitor in visitors:
            visitor.read_on()

        def step() -> None:
            for visitor in visitors:
                visitor.sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    visitor.sock.send(data)
            time.sleep(0.05)

        return step

    return prepare


def emitted(event: str) -> Prepare:
    def prepare(port: int, tls: bool) -> Step:
        visitors = [Visitor(port, tls).opened() for _ in range(20)]
        for visitor in visitors:
            visitor.send('5:::{"name":"join"}')
            visitor.read_on()
        visitors[0].send(f'5:::{{"name":"{event}"}}')
        return lambda: time.sleep(0.1)

    return prepare


def view(port: int, tls: bool) -> Step:
    return own("/count", 10, 5000, read=False)(port, tls)


def own(path: str, size: int = 0, times: int = 1, *, read: bool = True) -> Prepare:
    """A websocket of the application's own, and messages of ``size`` into it, if any."""

    def prepare(port: int, tls: bool) -> Step:
        visitor = Visitor(port, tls)
        visitor.ask("GET", path, UPGRADE)
        data = visitor.frame("x" * size) * times if size else b""
        if read:
            visitor.read_on()
        return lambda: visitor.sock.sendall(data) if data else time.sleep(0.1)

    return prepare


def long_page(port: int, tls: bool) -> Step:
    visitor = Visitor(port, tls)
    visitor.sock.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    visitor.read_on()
    return lambda: time.sleep(0.1)


# ---- below a request: TLS


def send_to_the_end(sock: socket.socket, data: bytes | memoryview) -> None:
    """Closed earlier it would be reset, and the kernel would forget what the server has not
    read."""
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65536):
        pass


def key_updates(port: int, tls: bool) -> Step:
    """By OpenSSL itself: Python's TLS cannot ask for them."""
    lib, pointer = ctypes.CDLL(ctypes.util.find_library("ssl")), ctypes.c_void_p
    for each in ("TLS_client_method", "SSL_CTX_new", "SSL_new", "BIO_new", "BIO_s_mem"):
        getattr(lib, each).restype = pointer
    context = pointer(lib.SSL_CTX_new(pointer(lib.TLS_client_method())))
    data = ctypes.create_string_buffer(1 << 20)

    def step() -> None:
        connection = pointer(lib.SSL_new(context))
        written = pointer(lib.BIO_new(pointer(lib.BIO_s_mem())))
        with socket.create_connection(("127.0.0.1", port)) as sock, contextlib.suppress(OSError):
            lib.SSL_set_fd(connection, sock.fileno())
            assert lib.SSL_connect(connection) == 1
            # Made first and then sent at once: they take as long to make as to read.
            lib.SSL_set0_wbio(connection, written)
            for _ in range(30_000):
                lib.SSL_key_update(connection, 0)
                lib.SSL_do_handshake(connection)
            size = lib.BIO_read(written, data, len(data))
            send_to_the_end(sock, memoryview(data)[:size])
        lib.SSL_free(connection)

    return step


def greetings_in_pieces(port: int, tls: bool) -> Step:
    piece = b"\x16\x03\x01\x00\x01"
    data = piece + b"\x01" + piece + b"\x01" + (piece + b"\xff") * 2 + (piece + b"\0") * 130_000

    def step() -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock, contextlib.suppress(OSError):
            send_to_the_end(sock, data)

    return step


# ---- clients since 1.0


def engine_path(revision: int, transport: str = "polling", sid: str = "") -> str:
    path = f"/socket.io/?EIO={revision}&transport={transport}"
    return f"{path}&sid={sid}" if sid else path


def engine_sid(visitor: Visitor, revision: int) -> str:
    """Of a new session, which polls."""
    return visitor.ask("GET", engine_path(revision)).split('"sid":"')[1].partition('"')[0]


def engine_wire(port: int, tls: bool, revision: int) -> Visitor:
    """A websocket, in the global namespace, whose answers nobody looks at."""
    visitor = Visitor(port, tls)
    visitor.ask("GET", engine_path(revision, "websocket"), UPGRADE)
    if revision == 4:
        visitor.send("40")
    visitor.read_on()
    return visitor


def engine_frames(*packets: str, revision: int = 4, times: int = 2500) -> Prepare:
    def prepare(port: int, tls: bool) -> Step:
        visitor = engine_wire(port, tls, revision)
        data = b"".join(map(visitor.frame, packets)) * times
        return lambda: visitor.sock.sendall(data)

    return prepare


def crowd(number: int, packet: str, *, engine: bool = True) -> Prepare:
    """So many websockets of one client, each of which sends the packet in hundreds."""

    def prepare(port: int, tls: bool) -> Step:
        visitors = []
        for _ in range(number):
            if engine:
                visitors.append(engine_wire(port, tls, 4))
            else:
                visitors.append(Visitor(port, tls).opened())
                visitors[-1].read_on()
        data = visitors[0].frame(packet) * (20_000 // number)

        def step() -> None:
            for visitor in visitors:
                visitor.sock.sendall(data)

        return step

    return prepare


def many_handshakes(number: int) -> Prepare:
    def prepare(port: int, tls: bool) -> Step:
        visitors = [Visitor(port, tls) for _ in range(number)]
        for visitor in visitors:
            visitor.read_on()
        request = f"GET {engine_path(4)} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 5

        def step() -> None:
            for visitor in visitors:
                visitor.sock.sendall(request)

        return step

    return prepare


def pinging(number: int) -> Prepare:
    """So many websockets, all of whose pings want to be answered."""

    def prepare(port: int, tls: bool) -> Step:
        visitors = [Visitor(port, tls).opened() for _ in range(number)]
        for visitor in visitors:
            visitor.read_on()
        data = (bytes([0x89, 0x80]) + bytes(4)) * (20_000 // number)

        def step() -> None:
            for visitor in visitors:
                visitor.sock.sendall(data)

        return step

    return prepare


def posting(number: int, body: str) -> Prepare:
    """So many clients over polling, each of whom posts again and again."""

    def prepare(port: int, tls: bool) -> Step:
        visitors = []
        for _ in range(number):
            visitor = Visitor(port, tls)
            path = engine_path(4, sid=engine_sid(visitor, 4))
            post = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            visitor.read_on()
            visitors.append((visitor.sock, post.encode() * 5))

        def step() -> None:
            for sock, posts in visitors:
                sock.sendall(posts)

        return step

    return prepare


def coming_and_going(number: int) -> Prepare:
    """So many websockets of sessions that are opened, and cut all at once, again and again."""

    def prepare(port: int, tls: bool) -> Step:
        def step() -> None:
            for visitor in [engine_wire(port, tls, 4) for _ in range(number)]:
                # With a reset.
                visitor.sock.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                visitor.sock.close()

        return step

    return prepare


def secrets(number: int) -> Prepare:
    """So many handshakes of TLS at once, again and again."""

    def prepare(port: int, tls: bool) -> Step:
        context = _trusting()

        def step() -> None:
            comers = []
            for _ in range(number):
                sock = socket.create_connection(("127.0.0.1", port), 20)
                comers.append(context.wrap_socket(sock, do_handshake_on_connect=False))
                sock = comers[-1]
                sock.setblocking(False)
                with contextlib.suppress(ssl.SSLWantReadError):
                    sock.do_handshake()
            for sock in comers:
                sock.close()

        return step

    return prepare


def engine_endings(packet: str, revision: int = 4) -> Prepare:
    """What ends a session, said in one after the other."""

    def prepare(port: int, tls: bool) -> Step:
        def step() -> None:
            visitor = engine_wire(port, tls, revision)
            visitor.send(packet)
            visitor.sock.close()

        return step

    return prepare


def engine_posts(
    body: str, revision: int = 4, *, ends: bool = False, form: bool = False
) -> Prepare:
    """Bodies, of one session or (where each ``ends`` it) of one each."""

    def prepare(port: int, tls: bool) -> Step:
        visitor = Visitor(port, tls)
        sids = [] if ends else [engine_sid(visitor, revision)]
        query = "&j=0" if form else ""

        def step() -> None:
            sid = sids[0] if sids else engine_sid(visitor, revision)
            visitor.ask("POST", engine_path(revision, sid=sid) + query, REFERER, body)

        return step

    return prepare


def engine_handshakes(port: int, tls: bool) -> Step:
    visitor = Visitor(port, tls)
    visitor.read_on()
    request = f"GET {engine_path(4)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    return lambda: visitor.sock.sendall(request * 100)


def engine_probes(packet: str) -> Prepare:
    def prepare(port: int, tls: bool) -> Step:
        sid = engine_sid(Visitor(port, tls), 4)

        def step() -> None:
            visitor = Visitor(port, tls)
            visitor.ask("GET", engine_path(4, "websocket", sid), UPGRADE)
            visitor.send("2probe")
            visitor.send(packet)
            visitor.sock.close()

        return step

    return prepare


def long_heads(port: int, tls: bool) -> Step:
    """Requests for websockets that ask for thousands of things."""
    words = ",a" * 31_000

    def step() -> None:
        head = UPGRADE.replace("Connection: Upgrade", f"Connection: Upgrade{words}")
        visitor = Visitor(port, tls)
        with contextlib.suppress(OSError, EOFError):
            visitor.ask("GET", engine_path(4, "websocket"), head)
        visitor.sock.close()

    return step


def engine_auth(number: int) -> Prepare:
    """So many websockets, each with as much in its ``auth`` as a session keeps of it, of lists."""

    def prepare(port: int, tls: bool) -> Step:
        kept: list[Visitor] = []
        packet = f'40{{"a":[{",".join(["[]"] * 800)}]}}'

        def step() -> None:
            if len(kept) >= number:
                time.sleep(0.1)
                return
            visitor = Visitor(port, tls)
            visitor.ask("GET", engine_path(4, "websocket"), UPGRADE)
            visitor.send(packet)
            kept.append(visitor)

        return step

    return prepare


def engine_attachments(port: int, tls: bool) -> Step:
    """They are announced, ten megabytes for each client, and the last does not come."""
    kept: list[Visitor] = []

    def step() -> None:
        if len(kept) >= 20:
            time.sleep(0.1)
            return
        kept.append(engine_wire(port, tls, 4))
        kept[-1].send('4510-["x"]')
        frame = kept[-1].frame("x" * 900_000)
        for _ in range(9):
            kept[-1].sock.sendall(b"\x82" + frame[1:])

    return step


class Flood(NamedTuple):
    """One way in, the server that it is tried on, and what happens."""

    title: str
    prepare: Prepare
    server: str = "plain"


LISTS = '5:::{"name":"nobody","args":[' + "[[[[]]]]," * 110_000 + "[]]}"
# As many keys as a packet may have, in objects and in one.
OBJECTS = '{"x":1.5,"y":2.5},' * 24_900 + "1"
KEYS = "{" + ",".join(f'"{number:05d}":1.5' for number in range(49_900)) + "}"
# As many lists of lists as it may have, each with five values more, 90 inside of each other.
NESTED = ",".join(["[1.5,1.5," * 89 + "[1.5]" + ",1.5,1.5,1.5]" * 89] * 270)
POINTS = f'5:::{{"name":"nobody","args":[{OBJECTS}]}}'
FLOATS = '5:::{"name":"nobody","args":[' + "1.5," * 245_000 + "1]}"
NOOPS = "\ufffd3\ufffd8::" * 10_000

FLOODS: dict[str, Flood] = {
    "nothing": Flood("nothing", lambda port, tls: lambda: time.sleep(0.1)),
    "pages": Flood("pages, pipelined", pages),
    "handshakes": Flood("handshakes, pipelined", handshakes),
    "refused": Flood("refused requests, pipelined", refused),
    "posts": Flood("small posts, pipelined", polls),
    "connections": Flood("connections that come and go", connections),
    "noops": Flood("a websocket: noops", frames("8::")),
    "pings": Flood("a websocket: pings", frames("ping")),
    "events": Flood("a websocket: events that nobody handles", frames('5:::{"name":"x"}')),
    "garbage": Flood("a websocket: what is no packet", frames("x")),
    "lists": Flood("a websocket: events of half a million lists, refused", large(LISTS)),
    "points": Flood("a websocket: events of 24 900 objects of two keys", large(POINTS)),
    "floats": Flood("a websocket: events of 245 000 floats", large(FLOATS)),
    "tls": Flood("a websocket over TLS: noops", frames("8::"), "tls"),
    "tls-keys": Flood("TLS: updates of keys, and nothing else", key_updates, "tls"),
    "tls-pieces": Flood("TLS: greetings in pieces of a byte", greetings_in_pieces, "tls"),
    "detach": Flood("a websocket that stays in its request: noops", frames("8::"), "detach"),
    "parked": Flood("a websocket of gevent-websocket: noops", frames("8::"), "gevent-websocket"),
    "payloads": Flood("posts of 10 000 noops", posts("xhr-polling", NOOPS)),
    "chunks": Flood(
        "posts in chunks of one byte", posts("xhr-polling", "x" * 200_000, chunked=True)
    ),
    "percent": Flood(
        "JSONP posts of a megabyte of %", posts("jsonp-polling", "d=" + "%" * 990_000)
    ),
    "escapes": Flood(
        "JSONP posts of a megabyte of %41", posts("jsonp-polling", "d=" + "%41" * 330_000)
    ),
    "workers": Flood("20 clients, events of 1 ms", work(20, 1)),
    "worker": Flood("a client, events of 9 ms", work(1, 9)),
    "emits": Flood("a handler that emits without end, 20 clients that read", emitted("emit")),
    "threads": Flood("a native thread that emits without end", emitted("thread")),
    "eio-handshakes": Flood("Engine.IO: handshakes, pipelined", engine_handshakes),
    "eio-noops": Flood("Engine.IO: a websocket: noops", engine_frames("6")),
    "eio-pings": Flood("Engine.IO 3: a websocket: pings", engine_frames("2", revision=3)),
    "eio-events": Flood(
        "Engine.IO: a websocket: events that nobody handles", engine_frames('42["x"]')
    ),
    "eio-acks": Flood("Engine.IO: a websocket: acks of nothing", engine_frames("431[]")),
    "eio-nowhere": Flood("Engine.IO: connects to no namespace", engine_frames("40/nowhere,")),
    "eio-in-and-out": Flood("Engine.IO: a namespace left and joined", engine_frames("41", "40")),
    "eio-points": Flood(
        "Engine.IO: a websocket: events of 24 900 objects of two keys",
        engine_frames(f'42["nobody",{OBJECTS}]', times=1),
    ),
    "eio-keys": Flood(
        "Engine.IO: a websocket: events of 49 900 keys",
        engine_frames(f'42["nobody",{KEYS}]', times=1),
    ),
    "eio-nested": Flood(
        "Engine.IO: a websocket: events of 24 000 lists of five numbers, deeply nested",
        engine_frames(f'42["nobody",{NESTED}]', times=1),
    ),
    "eio-deep": Flood(
        "Engine.IO: sessions that end by a megabyte of [", engine_endings("42" + "[" * 999_000)
    ),
    "eio-payloads": Flood(
        "Engine.IO: posts of 10 000 noops", engine_posts("\x1e".join("6" * 10_000))
    ),
    "eio-tiny": Flood(
        "Engine.IO: sessions that end by half a million packets in a body",
        engine_posts("\x1e".join("6" * 499_000), ends=True),
    ),
    "eio-tiny-3": Flood(
        "Engine.IO 3: posts of 10 000 noops", engine_posts("1:6" * 10_000, revision=3)
    ),
    "eio-form": Flood(
        "Engine.IO: JSONP posts of a megabyte of %36",
        engine_posts("d=6" + "%36" * 330_000, form=True),
    ),
    "eio-probes": Flood("Engine.IO: websockets tried out, and left", engine_probes("x")),
    "eio-upgrades": Flood("Engine.IO: websockets gone over to, and left", engine_probes("5")),
    "eio-astral": Flood(
        "Engine.IO 3: posts of 10 000 packets, a character beyond U+FFFF in one",
        engine_posts("1:6" * 9999 + "3:4\N{GRINNING FACE}", revision=3),
    ),
    "eio-heads": Flood("Engine.IO: websockets asked for by heads of 62 kB", long_heads),
    "eio-auth": Flood(
        "Engine.IO: 5000 websockets, each with 800 lists in its auth", engine_auth(5000)
    ),
    "eio-attachments": Flood(
        "Engine.IO: attachments of 9 MB each of 20 clients, never complete", engine_attachments
    ),
    "crowd-50": Flood("50 websockets: noops", crowd(50, "8::", engine=False)),
    "crowd-300": Flood("300 websockets: noops", crowd(300, "8::", engine=False)),
    "eio-crowd-50": Flood("Engine.IO: 50 websockets: noops", crowd(50, "6")),
    "eio-crowd-300": Flood("Engine.IO: 300 websockets: noops", crowd(300, "6")),
    "eio-crowd-acks": Flood("Engine.IO: 50 websockets: acks of nothing", crowd(50, "431[]")),
    "eio-crowd-events": Flood(
        "Engine.IO: 300 websockets: events that nobody handles", crowd(300, '42["x"]')
    ),
    "eio-crowd-handshakes": Flood(
        "Engine.IO: 300 connections: handshakes, pipelined", many_handshakes(300)
    ),
    "crowd-pings": Flood("300 websockets: pings", pinging(300)),
    "eio-crowd-nowhere": Flood(
        "Engine.IO: 300 websockets: connects to no namespace", crowd(300, "40/nowhere,")
    ),
    "eio-crowd-posts": Flood(
        "Engine.IO: 300 clients over polling: posts of noops", posting(300, "6")
    ),
    "eio-crowd-cut": Flood(
        "Engine.IO: 300 websockets opened, and cut at once", coming_and_going(300)
    ),
    "crowd-tls": Flood("100 handshakes of TLS at once, given up", secrets(100), "tls"),
    "view": Flood("a `@websocket` view of Django: messages", view, "django"),
    "page": Flood("a page without end, for one that reads it", long_page),
    "back": Flood(
        "an own websocket over TLS: messages of 0.9 MB, sent back", own("/back", 900_000), "tls"
    ),
    "pour": Flood(
        "an own websocket over TLS: a view that sends without end to one that reads",
        own("/pour"),
        "tls",
    ),
    "pour-unread": Flood(
        "an own websocket over TLS: the same to one that does not read",
        own("/pour", read=False),
        "tls",
    ),
    "pour-plain": Flood(
        "an own websocket: a view that sends without end to one that reads", own("/pour")
    ),
}


# ---- the one that stands by


class Felt(NamedTuple):
    """What was measured, in milliseconds, and what the server has grown by."""

    samples: dict[str, list[float]]
    #: The longest wait in milliseconds of the server's time on the processor: what others of the
    #: machine took meanwhile does not count.
    worked: float
    #: The longest turn of the server's event loop, in milliseconds of the processor's time, from
    #: the flood's beginning until those who flooded are gone; and how many took over 25.
    longest: float
    long: int
    grown: int
    logged: int

    def row(self, title: str) -> str:
        cells = []
        for times in self.samples.values():
            cells.append(f"{statistics.median(times):.1f} | {max(times):.0f}")
        return (
            f"| {title} | {' | '.join(cells)} "
            f"| {self.worked:.0f} | {self.longest:.0f} | {self.long} "
            f"| {self.grown / 1e6:.1f} | {self.logged / 1e3:.1f} |"
        )


HEAD = [
    "| flood | websocket: median | worst | long-polling: median | worst | handshake: median "
    "| worst | worst of all, ms of CPU | longest turn, ms of CPU | turns over 25 ms | memory, MB "
    "| log, kB |",
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
]


@contextlib.contextmanager
def bystander(port: int, tls: bool, source: str) -> Iterator[dict[str, Ask]]:
    """What it does, by name, each on a connection that is open already, until the block ends."""
    with contextlib.ExitStack() as stack:

        def visitor() -> Visitor:
            made = Visitor(port, tls, source)
            stack.callback(made.sock.close)
            return made

        talker, asking, posting = visitor().opened(), visitor(), visitor()
        path = f"/socket.io/1/xhr-polling/{asking.handshake()}"
        asking.ask("GET", path)

        def talk(until: float) -> None:
            talker.send(ECHO)
            talker.hear(ANSWER, until)

        def poll(until: float) -> None:
            posting.ask("POST", path, body=ECHO)
            while ANSWER.decode() not in asking.ask("GET", path):
                if time.perf_counter() > until:
                    raise TimeoutError

        def shake(until: float) -> None:
            comer = Visitor(port, tls, source)
            try:
                comer.handshake()
            finally:
                comer.sock.close()

        yield {"websocket": talk, "long-polling": poll, "handshake": shake}


def watch(
    steps: dict[str, Ask], seconds: float, clock: int, *, ahead: bool = False
) -> tuple[dict[str, list[float]], float]:
    """How long each of them took, in milliseconds, again and again; each at least once. And the
    longest of all by ``clock``, which is the server's.

    Whoever is not answered any more has waited from then until the end. Threads of its own are
    ``ahead`` of whatever else runs, where that is allowed.
    """
    ends = time.perf_counter() + seconds
    samples: dict[str, list[float]] = {name: [] for name in steps}
    worked = [0.0]

    def repeat(name: str) -> None:
        if ahead:
            _run_ahead()
        began, answered = 0.0, True
        while answered and began < ends:
            began, before = time.perf_counter(), time.clock_gettime(clock)
            try:
                steps[name](ends + PATIENCE)
            except (OSError, EOFError):
                answered = False
            now = time.perf_counter()
            samples[name].append(((now if answered else max(now, ends)) - began) * 1000)
            worked.append((time.clock_gettime(clock) - before) * 1000)
            time.sleep(0.02)

    threads = [threading.Thread(target=repeat, args=(name,)) for name in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return samples, max(worked)


def _run_ahead() -> None:
    """Have this thread run as soon as it can, and elsewhere than the server: what it waits for a
    core is not what the server lets it wait. (A nice value is not enough: it counts within a
    session only, and the server's is another.)"""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {cores()[1]})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def _memory(process: subprocess.Popen[str]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) * 1024


def measure(
    name: str, seconds: float = SECONDS, source: str = ELSEWHERE, *, ahead: bool = False
) -> Felt:
    """What a bystander feels of one flood, whose address is ``source``; ``ahead`` of whatever else
    runs on the machine."""
    flood = FLOODS[name]
    tls = flood.server == "tls"
    me, life = os.getpid(), int(seconds + PATIENCE) + LIFE
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+") as log,
        contextlib.ExitStack() as stack,
    ):
        if tls:
            _certificate(Path(folder))
        server = stack.enter_context(
            _process(
                [sys.executable, str(SERVER), flood.server, folder],
                log,
                functools.partial(prepare, cores()[0], me, life),
            )
        )
        assert server.stdout is not None
        port = int(server.stdout.readline())
        steps = stack.enter_context(bystander(port, tls, source))
        for step in steps.values():
            step(time.perf_counter() + PATIENCE)
        before, logged = _memory(server), os.fstat(log.fileno()).st_size
        turns(port, tls)
        flooder = stack.enter_context(
            _process(
                [
                    *(sys.executable, "-m", "benchmarks.bystander", "--flood", name),
                    *("--port", str(port), "--seconds", str(seconds + 1)),
                ],
                None,
                functools.partial(_stand_back, me, life),
            )
        )
        assert flooder.stdout is not None
        assert flooder.stdout.readline() == "flooding\n"
        # Linux: the clock of another process.
        samples, worked = watch(steps, seconds, ~server.pid << 3 | 2, ahead=ahead)
        grown = _memory(server) - before
        flooder.kill()
        flooder.wait()
        # Its connections end all at once.
        time.sleep(AFTERMATH)
        return Felt(
            samples,
            worked,
            *turns(port, tls),
            max(0, grown),
            os.fstat(log.fileno()).st_size - logged,
        )


def turns(port: int, tls: bool) -> tuple[float, int]:
    """What the server says of its event loop's turns, which it counts anew from then on."""
    visitor = Visitor(port, tls)
    try:
        longest, long = visitor.ask("GET", "/turns").split()
    finally:
        visitor.sock.close()
    return float(longest), int(long)


@contextlib.contextmanager
def _process(
    command: list[str], log: IO[str] | None, begin: Callable[[], None]
) -> Iterator[subprocess.Popen[str]]:
    """A process until the end of the block."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=begin
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _stand_back(parent: int, seconds: int) -> None:
    die_in_time(parent, seconds)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def flood(name: str, port: int, seconds: float) -> None:
    """Flood for so long, in this process."""
    row = FLOODS[name]
    step = row.prepare(port, row.server == "tls")
    sys.stdout.write("flooding\n")
    sys.stdout.flush()
    ends = time.perf_counter() + seconds
    # Whoever is cut off has flooded enough.
    with contextlib.suppress(OSError, EOFError):
        while time.perf_counter() < ends:
            step()
    time.sleep(max(0.0, ends - time.perf_counter()))


def _certificate(folder: Path) -> None:
    openssl = shutil.which("openssl")
    assert openssl is not None, "needs the command openssl"
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key -out cert"
    subprocess.run([openssl, *command.split()], cwd=folder, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bystander", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="FLOOD", help=f"of {', '.join(FLOODS)}")
    parser.add_argument("--docs", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each flood")
    parser.add_argument(
        "--same-address",
        action="store_true",
        help="the bystander has the address of those who flood, as behind an unnamed proxy",
    )
    parser.add_argument("--flood", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flood:
        flood(options.flood, options.port, options.seconds)
        return
    with contextlib.suppress(OSError):
        # Before those who flood, where that is allowed: it is the server that is measured.
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    rows, found = list(HEAD), {}
    load = os.getloadavg()[0]
    say(*HEAD)
    for name in options.rows or FLOODS:
        source = BESIDE if options.same_address else ELSEWHERE
        felt = measure(name, options.seconds, source, ahead=True)
        rows.append(felt.row(FLOODS[name].title))
        found[name] = {
            "samples": felt.samples,
            "worked": felt.worked,
            "turns": {"longest": felt.longest, "long": felt.long},
            "memory": felt.grown,
            "log": felt.logged,
        }
        say(rows[-1])
    if options.docs:
        made_on = ", ".join(each for name, each in machine().items() if name != "open files")
        version = f"Python {sys.version.split()[0]}, commit {commit(ROOT) or 'unknown'}"
        how = f"load average {load:.1f} when it began; {options.seconds:g} seconds each"
        where = "the same address as" if options.same_address else "another address than"
        text = (
            f"Measured on {made_on}, {how}; {version}. The bystander had {where} those who flood. "
            "What is in milliseconds of CPU is the server's time on the processor, whatever else "
            "the machine did meanwhile; a turn is from one look of its event loop for input to the "
            "next."
        )
        PAGE.write_text("\n".join([*rows, "", text, ""]), encoding="utf-8")
        PAGE.with_suffix(".json").write_text(
            json.dumps({"machine": machine(), "commit": commit(ROOT), "floods": found}) + "\n",
            encoding="utf-8",
        )


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
