"""The pages of docs/generations.md, run by real clients as they stand there."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..support.node import NODE_MODULES, find_client
from ..support.servers import Served

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
