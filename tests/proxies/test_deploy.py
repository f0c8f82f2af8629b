"""docs/howto/deploy.md: its service, its certificates, its container's command and its proxies,
around the chat of the tutorial."""

from __future__ import annotations

import json
import re
import shlex
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..support.node import Node, SharedNode
from ..support.pages import blocks
from ..support.processes import STARTS, need_program, running
from ..support.raw_http import Connection
from .conftest import EXAMPLES, StartProxy

pytestmark = pytest.mark.e2e

DEPLOY = EXAMPLES.parent / "deploy"
SERVICE = (DEPLOY / "chat.service").read_text("utf-8")
CONTAINER = (DEPLOY / "Dockerfile").read_text("utf-8")
PAGE = blocks("howto/deploy.md")
COMMANDS = [block.code for block in PAGE if block.language == "sh"]
#: The chat that lets everybody in.
FILES = [block for block in blocks("tutorial.md") if block.name][:3]
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
def served(folder: Path, words: list[str]) -> Iterator[int]:
    """The words behind the program's name are run, on a free port; it is given. In the end the
    server is told as systemd and docker do."""
    words[words.index("--port") + 1] = "0"
    with running([sys.executable, "-m", "sockio.cli", *words], folder) as process:
        yield int(process.find(r"serving on https?://[\d.]+:(\d+)", STARTS)[1])
        assert process.stop() == 0


def words_of_the_service() -> list[str]:
    (command,) = re.findall(r"^ExecStart=(.*)$", SERVICE, re.MULTILINE)
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


def test_the_service_is_one_for_systemd(tmp_path: Path) -> None:
    unit = tmp_path / "chat.service"
    unit.write_text(SERVICE.replace(PROGRAM, need_program("true")), "utf-8")
    analyze = need_program("systemd-analyze")
    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if "chat.service" in line]
    assert (done.returncode, complaints) == (0, [])


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_the_service_behind_a_proxy_that_ends_tls(
    folder: Path, proxy: StartProxy, node: Node, kind: str
) -> None:
    with served(folder, words_of_the_service()) as port:
        changes = {"127.0.0.1:8080": f"127.0.0.1:{port}"}
        if kind == "nginx":
            changes |= {
                "listen 443 ssl;": "listen 127.0.0.1:PORT ssl;",
                "/etc/ssl/certs/example.pem": str(folder / "chain.pem"),
                "/etc/ssl/private/example.key": str(folder / "key.pem"),
            }
            front = proxy("nginx/https.conf", changes)
        else:
            both = folder / "example.pem"
            both.write_bytes(
                (folder / "chain.pem").read_bytes() + (folder / "key.pem").read_bytes()
            )
            changes |= {
                "    bind :80\n": "",
                "bind :443 ssl crt /etc/haproxy/example.pem": f"bind 127.0.0.1:PORT ssl crt {both}",
            }
            front = proxy("haproxy/one-server.cfg", changes)
        url = f"https://127.0.0.1:{front}"
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
