"""docs/howto/deploy.md: its service, its certificates, its container's command and its proxies,
around the chat of the tutorial."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import signal
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest

from ..support.node import Node, SharedNode
from ..support.pages import blocks
from ..support.processes import STARTS, Process, need_program, running
from ..support.raw_http import Connection
from ..support.transcript import PATIENCE
from .conftest import EXAMPLES, StartProxy

pytestmark = pytest.mark.e2e

DEPLOY = EXAMPLES.parent / "deploy"
SERVICE = (DEPLOY / "chat.service").read_text("utf-8")
WORKERS = (DEPLOY / "chat-workers.service").read_text("utf-8")
CONTAINER = (DEPLOY / "Dockerfile").read_text("utf-8")
PAGE = blocks("howto/deploy.md")
COMMANDS = [block.code for block in PAGE if block.language == "sh"]
#: The chat that lets everybody in.
FILES = [block for block in blocks("tutorial.md") if block.name][:3]
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
PROGRAM = "/srv/chat/.venv/bin/sockio"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The application's, with the page's own certificate in it."""
    need_program("openssl")
    (wrapped,) = [block.code for block in PAGE if block.language == "python"]
    for _, name, code in FILES:
        *_, last = code.splitlines(keepends=True)
        if name == "app.py":
            assert last.startswith(wrapped.partition("(")[0])
            code = code.replace(last, wrapped)
        (tmp_path / name).write_text(code, "utf-8")
    (command,) = [each for each in COMMANDS if each.startswith("openssl req")]
    here = command.replace("DNS:chat.example.com", "DNS:chat.example.com,IP:127.0.0.1")
    assert here != command
    subprocess.run(["sh", "-ec", here], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


@pytest.fixture
def node(shared_node: SharedNode) -> Iterator[Node]:
    yield from shared_node.use()


@contextmanager
def started(folder: Path, words: list[str], **environ: str) -> Iterator[tuple[Process, int]]:
    """The words behind the program's name are run, on a free port; it is given. In the end the
    server is told as systemd and docker do."""
    words[words.index("--port") + 1] = "0"
    with running([sys.executable, "-m", "sockio.cli", *words], folder, **environ) as process:
        yield process, int(process.find(r"serving on https?://[\d.]+:(\d+)", STARTS)[1])
        assert process.stop() == 0


@contextmanager
def served(folder: Path, words: list[str]) -> Iterator[int]:
    with started(folder, words) as (_, port):
        yield port


def words_of_the_service(service: str = SERVICE) -> list[str]:
    (command,) = re.findall(r"^ExecStart=(.*)$", service, re.MULTILINE)
    program, *words = shlex.split(command)
    assert program == PROGRAM
    return words


def chats(node: Node, url: str) -> None:
    """Each way that a client of 4.x has."""
    for transports in (["polling"], ["websocket"], ["polling", "websocket"]):
        client = node.arrive("4.8.4", f"{url}/chat", transports, rejectUnauthorized=False)
        client.emit("user message", "hello")
        nickname, text = client.next("message")
        assert (nickname[:6], text) == ("guest ", "hello")
        client.disconnect()


@pytest.mark.parametrize("service", [SERVICE, WORKERS], ids=["one process", "workers"])
def test_the_service_is_one_for_systemd(tmp_path: Path, service: str) -> None:
    unit = tmp_path / "chat.service"
    unit.write_text(service.replace(PROGRAM, need_program("true")), "utf-8")
    analyze = need_program("systemd-analyze")
    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if "chat.service" in line]
    assert (done.returncode, complaints) == (0, [])


def in_front(proxy: StartProxy, kind: str, port: int, folder: Path) -> int:
    """The port of a proxy that ends TLS."""
    changes = {"127.0.0.1:8080": f"127.0.0.1:{port}"}
    if kind == "nginx":
        changes |= {
            "listen 443 ssl;": "listen 127.0.0.1:PORT ssl;",
            "/etc/ssl/certs/example.pem": str(folder / "chain.pem"),
            "/etc/ssl/private/example.key": str(folder / "key.pem"),
        }
        return proxy("nginx/https.conf", changes)
    both = folder / "example.pem"
    both.write_bytes((folder / "chain.pem").read_bytes() + (folder / "key.pem").read_bytes())
    changes |= {
        "    bind :80\n": "",
        "bind :443 ssl crt /etc/haproxy/example.pem": f"bind 127.0.0.1:PORT ssl crt {both}",
    }
    return proxy("haproxy/one-server.cfg", changes)


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_the_service_behind_a_proxy_that_ends_tls(
    folder: Path, proxy: StartProxy, node: Node, kind: str
) -> None:
    with served(folder, words_of_the_service()) as port:
        url = f"https://127.0.0.1:{in_front(proxy, kind, port, folder)}"
        chats(node, url)
        # The page's own origin is known behind it, and it is https.
        client = node.join(
            "4.8.4",
            f"{url}/chat",
            ["websocket"],
            rejectUnauthorized=False,
            extraHeaders={"Origin": url},
        )
        client.next("connect")
        node.forget_all()


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_workers_are_replaced_behind_a_proxy(
    folder: Path, proxy: StartProxy, node: Node, kind: str
) -> None:
    words = words_of_the_service(WORKERS)
    # As many as are needed to see it.
    words[words.index("--workers") + 1] = "2"
    context = ssl.create_default_context(cafile=str(folder / "chain.pem"))
    pages: Counter[int] = Counter()
    handshakes: Counter[int] = Counter()
    over = False

    def hammer(front: int) -> None:
        while not over:
            with Connection(front, context) as connection:
                handshakes[connection.ask("GET", HANDSHAKE).code] += 1
                # One that is kept may be closed while the next request is on its way: then clients
                # ask again.
                with contextlib.suppress(EOFError, ConnectionError):
                    pages[connection.ask("GET", "/").code] += 1

    mesh = {"SOCKIO_MESH": str(folder / "run")}
    with started(folder, words, **mesh) as (process, port):
        front = in_front(proxy, kind, port, folder)
        chats(node, f"https://127.0.0.1:{front}")
        hammers = [gevent.spawn(hammer, front) for _ in range(3)]
        # ExecReload=
        process.send(signal.SIGHUP)
        process.find(r"\[rolled\]", STARTS)
        chats(node, f"https://127.0.0.1:{front}")
        over = True
        gevent.joinall(hammers, PATIENCE, raise_error=True)
        node.forget_all()
    assert set(pages) == {200}
    # The proxy keeps connections to a worker, which may say goodbye when one comes over them.
    assert set(handshakes) <= {200, 503}


def test_tls_without_a_proxy(folder: Path, node: Node) -> None:
    (command,) = [each for each in COMMANDS if each.startswith("sockio serve")]
    program, *words = shlex.split(command)
    assert program == "sockio"
    words[words.index("--host") + 1] = "127.0.0.1"
    with served(folder, words) as port:
        context = ssl.create_default_context(cafile=str(folder / "chain.pem"))
        with Connection(port, context) as connection:
            assert "<title>Chat</title>" in connection.ask("GET", "/").body
        chats(node, f"https://127.0.0.1:{port}")
        node.forget_all()


def test_the_command_of_the_container(folder: Path, node: Node) -> None:
    (command,) = re.findall(r"^CMD (.*)$", CONTAINER, re.MULTILINE)
    program, *words = json.loads(command)
    assert program == "sockio"
    with served(folder, words) as port:
        chats(node, f"http://127.0.0.1:{port}")
        node.forget_all()
