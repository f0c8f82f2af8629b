"""The pages of docs/generations.md and docs/howto/recovery.md, and the front page, run by real
clients as they stand there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ..support.node import NODE_MODULES, find_client
from ..support.pages import snippets
from ..support.proxy import cable_to
from ..support.servers import Served, not_ours

pytestmark = pytest.mark.e2e

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "generations.md").read_text("utf-8")
SERVER = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
NEW, OLD, *MORE = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)
#: The page for 3.x and 4.x, connected as the chapter on MessagePack has it.
PACKED = "\n".join(
    ["const msgpackParser = require(folder + '/../socket.io-msgpack-parser');"]
    + [line for block in MORE if "parser" in block for line in block.splitlines()]
    + NEW.splitlines()[1:]
)

#: What a page has and node has not: its own address, and somewhere to show things.
AROUND = """
const [base, folder, count] = process.argv.slice(2);
const client = require(folder);
const shown = [];
function show(what) {
  shown.push(what);
  if (shown.length === Number(count)) {
    console.log(JSON.stringify(shown));
    process.exit(0);
  }
}
const io = (path, options) => client.io(base + path, options);
io.connect = (path) => client.connect(base + path);
"""


@pytest.fixture
def server(serve: Callable[..., Served]) -> Served:
    names: dict[str, Any] = {}
    exec(SERVER, names)
    return serve(namespaces={"/chat": names["Chat"]}, msgpack=True)


def what_is_shown(server: Served, file: Path, folder: str, count: int) -> Any:
    done = subprocess.run(
        [find_client(folder), str(file), server.url, str(NODE_MODULES / folder), str(count)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("script", "folder", "refused"),
    [
        pytest.param(NEW, "socket.io-client-4.8.4", "refused: Who are you?", id="4.x"),
        pytest.param(PACKED, "socket.io-client-4.8.4", "refused: Who are you?", id="msgpack"),
        pytest.param(OLD, "socket.io-client", "refused: unauthorized", id="0.9"),
    ],
)
def test_a_page_of_each_generation(
    server: Served, tmp_path: Path, script: str, folder: str, refused: str
) -> None:
    page = tmp_path / "page.js"
    page.write_text(AROUND + script, "utf-8")
    assert what_is_shown(server, page, folder, 3) == ["connected", "hello", 5]
    assert "secret" in script
    page.write_text(AROUND + script.replace("secret", "guess"), "utf-8")
    assert what_is_shown(server, page, folder, 1) == [refused]


@pytest.mark.parametrize(
    ("number", "folder", "shown"),
    [
        pytest.param(0, "socket.io-client-4.8.4", ["connected", "bob: hello?", "back"], id="4.x"),
        pytest.param(1, "socket.io-client", ["connected", "connected", "bob: hello?"], id="0.9"),
    ],
)
def test_a_page_that_loses_its_connection(
    serve: Callable[..., Served], tmp_path: Path, number: int, folder: str, shown: list[str]
) -> None:
    names: dict[str, Any] = {"__name__": "recovery_site"}
    exec(snippets("howto/recovery.md")[0], names)
    server = serve(names["app"])
    scripts = re.findall(
        r"<script>\n(.*?)</script>", snippets("howto/recovery.md", "html")[0], re.DOTALL
    )
    script = [scripts[-1], *snippets("howto/recovery.md", "js")][number]
    page = tmp_path / "page.js"
    # It says at once what it shows, too.
    around = AROUND.replace("shown.push(what);", "shown.push(what); console.log(what);")
    page.write_text(around + script, "utf-8")
    with cable_to(server.port) as cable:
        command = [find_client(folder), str(page), cable.url, str(NODE_MODULES / folder), "3"]
        node = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        try:
            assert node.stdout is not None
            assert node.stdout.readline() == "connected\n"
            lobby = server.middleware.of("/chat").to("lobby")
            server.wait_until(lambda: [each.transport for each in lobby.sockets()] == ["websocket"])
            (before,) = lobby.sockets()
            cable.cut()
            server.wait_until(lambda: not before.connected)
            lobby.emit("said", "bob", "hello?")
            output, _ = node.communicate(timeout=20)
        finally:
            node.kill()
            node.wait()
    assert node.returncode == 0
    assert json.loads(output.splitlines()[-1]) == shown


def test_the_front_page(
    serve: Callable[..., Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DOCS / "index.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (script,) = re.findall(r"```js\n(.*?)```", text, re.DOTALL)
    # What the reader has.
    monkeypatch.setitem(sys.modules, "mysite", SimpleNamespace(pages=not_ours))
    names: dict[str, Any] = {}
    exec(program, names)
    page = tmp_path / "page.js"
    page.write_text(AROUND + script, "utf-8")
    server = serve(names["app"])
    assert what_is_shown(server, page, "socket.io-client-4.8.4", 1) == ["ada: hello"]
