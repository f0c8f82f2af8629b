"""Whatever can go wrong in the first hour leaves a line that says what to do: each row of the table
in docs/tutorial.md is made to happen, to the chat of that page."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..support.node import NODE_MODULES, Client, Node, SharedNode, find_client
from ..support.pages import DOCS, blocks
from ..support.processes import STARTS, Process, free_port, running
from ..support.raw_http import Connection, get
from ..support.transcript import eventually

pytestmark = pytest.mark.e2e

NEW, OLD = "socket.io-client-4.8.4", "socket.io-client"
PAGE = (DOCS / "tutorial.md").read_text("utf-8")
TABLE = PAGE.partition("## When nothing happens")[2].partition("\n## ")[0]
#: What went wrong, and the lines that are promised.
ROWS = {
    cells[1].strip(): re.findall(r"`([^`]*)`", cells[3])
    for cells in (row.split("|") for row in TABLE.splitlines() if row.startswith("| "))
    if cells[1].strip() != "what went wrong"
}
#: Programs of the page: the first chat, and the one with a login.
FILES = [(block.name, block.code) for block in blocks("tutorial.md") if block.name]
FIRST = dict(reversed(FILES))
LATER = dict(FILES)


class Site:
    """The chat, served in a process of its own."""

    def __init__(self, process: Process, port: int, node: Node, heard: list[str]) -> None:
        self.process = process
        self.port = port
        self.node = node
        #: What its clients have been told.
        self.heard = heard

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, namespace: str = "/chat", **options: Any) -> Client:
        return self.node.join("4.8.4", self.url + namespace, ["polling"], **options)

    def hears(self, client: Client, event: str) -> None:
        self.heard += [str(each) for each in client.next(event)]

    def is_not_let_in(self, namespace: str = "/chat", **options: Any) -> None:
        self.hears(self.client(namespace, **options), "connect_error")

    def refuses(self, event: str, *args: Any) -> None:
        client = self.client()
        client.next("connect")
        client.emit(event, *args)
        code, text = client.next("error")
        self.heard.append(f"{code}: {text}")


class Hour:
    """Makes sites, with something wrong."""

    def __init__(
        self,
        folder: Path,
        node: Node,
        stack: ExitStack,
        plain: Callable[[], tuple[Process, int]],
    ) -> None:
        self._plain = plain
        self.folder = folder
        self._node = node
        self._stack = stack
        self.sites: list[Site] = []

    def plain(self) -> Site:
        """The chat with nothing wrong in it."""
        site = Site(*self._plain(), self._node, [])
        self.sites.append(site)
        return site

    def serve(self, files: dict[str, str], client: str = NEW) -> Site:
        command = [sys.executable, "-m", "sockio.cli", "serve", "app:app", "--port", "0"]
        return self.run(files, command, client)

    def has_said(self, pattern: str) -> bool:
        """Whether it was said to anybody, in the terminal or to a client."""
        said = [text for site in self.sites for text in (site.process.output, *site.heard)]
        return any(re.search(pattern, each) for each in said)

    def run(self, files: dict[str, str], command: list[str], client: str = NEW) -> Site:
        """Run a command that serves ``files``, beside that client."""
        for name, code in files.items():
            (self.folder / name).write_text(code, "utf-8")
        if client:
            find_client(client)
            modules = self.folder / "node_modules"
            modules.mkdir()
            (modules / "socket.io-client").symlink_to(NODE_MODULES / client)
        process = self._stack.enter_context(running(command, self.folder))
        port = int(process.find(r"(?:serving|Running) on .*http://127\.0\.0\.1:(\d+)", STARTS)[1])
        site = Site(process, port, self._node, [])
        self.sites.append(site)
        return site


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, int]]:
    """The first chat as it stands, for all that concerns what a page does."""
    folder = tmp_path_factory.mktemp("chat")
    for name, code in FIRST.items():
        (folder / name).write_text(code, "utf-8")
    command = [sys.executable, "-m", "sockio.cli", "serve", "app:app", "--port", "0"]
    with running(command, folder) as process:
        yield process, int(process.find(r"serving on http://127\.0\.0\.1:(\d+)", STARTS)[1])


@pytest.fixture
def hour(tmp_path: Path, shared_node: SharedNode, request: pytest.FixtureRequest) -> Iterator[Hour]:
    # The clients leave before the servers do.
    with ExitStack() as stack, contextmanager(shared_node.use)() as node:
        yield Hour(tmp_path, node, stack, lambda: request.getfixturevalue("plain"))


# ---- what goes wrong, by the first words of its row


def not_installed(hour: Hour) -> None:
    site = hour.serve(FIRST, client="")
    site.heard.append(get(site.port, "/socket.io/socket.io.js").body)


def client_0_9(hour: Hour) -> None:
    get(hour.serve(FIRST, client=OLD).port, "/socket.io/socket.io.js")


def other_generations(hour: Hour) -> None:
    app = FIRST["app.py"].replace("ChatNamespace})", 'ChatNamespace}, generations=["0.9"])')
    hour.serve({**FIRST, "app.py": app}).is_not_let_in()


def no_namespace(hour: Hour) -> None:
    hour.plain().is_not_let_in("/")


def no_route(hour: Hour) -> None:
    app = LATER["app.py"].replace("/socket.io/", "/sockets/")
    hour.serve({**LATER, "app.py": app}).is_not_let_in()


def nobody_in(hour: Hour) -> None:
    hour.serve(LATER).is_not_let_in()
    hour.folder = hour.folder / "other"
    hour.folder.mkdir()
    forgotten = LATER["app.py"].replace("abort(401)", 'return ""')
    hour.serve({**LATER, "app.py": forgotten}).is_not_let_in()


def other_origin(hour: Hour) -> None:
    hour.plain().is_not_let_in(extraHeaders={"Origin": "http://127.0.0.1:5500"})


def no_method(hour: Hour) -> None:
    hour.plain().refuses("user mesage", "hello")


def number_of_arguments(hour: Hour) -> None:
    hour.plain().refuses("user message", "hello", "there")


def method_fails(hour: Hour) -> None:
    chat = FIRST["chat.py"].replace('["nickname"], text', '["nick"], text')
    site = hour.serve({**FIRST, "chat.py": chat})
    site.refuses("user message", "hello")
    site.process.find("KeyError: 'nick'")


def not_patched(hour: Hour) -> None:
    program = "from sockio.server import serve\nfrom app import app\nserve(app, port=0)\n"
    files = {**FIRST, "program.py": program}
    hour.run(files, [sys.executable, "program.py"])


def server_of_flask(hour: Hour) -> None:
    program = f"from app import app\napp.run(port={free_port()})\n"
    files = {**FIRST, "program.py": program}
    site = hour.run(files, [sys.executable, "program.py"])
    with Connection(site.port) as connection:
        assert connection.ask("GET", "/socket.io/?EIO=4&transport=polling").status.endswith(
            "200 OK"
        )


def port_taken(hour: Hour) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        (hour.folder / "app.py").write_text("app = print", "utf-8")
        command = [sys.executable, "-m", "sockio.cli", "serve", "app:app", "--port", port]
        process = Process(command, hour.folder)
        try:
            assert process.wait() == 2
        finally:
            process.kill()
        hour.sites.append(Site(process, 0, hour._node, []))


HAPPENS: dict[str, Callable[[Hour], None]] = {
    "the client is not installed": not_installed,
    "the page has client 0.9": client_0_9,
    "the setting [`generations`]": other_generations,
    "the page asks for no namespace": no_namespace,
    "no route leads to the view": no_route,
    "the view lets nobody in": nobody_in,
    "the page is from another origin": other_origin,
    "the page sends an event that has no method": no_method,
    "it sends more or fewer arguments": number_of_arguments,
    "the method fails": method_fails,
    "a program of your own does not patch": not_patched,
    "the server is Flask's own": server_of_flask,
    "port 8080 is taken": port_taken,
}
#: tests/browser/test_tutorial.py has it: nobody is asked.
IN_THE_BROWSER = "the page was opened as a file"


def pattern_of(line: str) -> str:
    """A line as the page shows it, for any port and release, with something left out at "..."."""
    parts = [re.escape(part) for part in re.split(r" ?(?<!\[)\.\.\. ?", line)]
    pattern = ".*".join(parts).replace("8080", r"\d+")
    return re.sub(r"Werkzeug/[\d\\.]+", r"Werkzeug/\\S+", pattern)


def test_every_row_is_tried() -> None:
    tried = [*HAPPENS, IN_THE_BROWSER]
    assert [row for row in ROWS if not any(row.startswith(each) for each in tried)] == []
    assert len(ROWS) == len(tried)


@pytest.mark.parametrize("row", HAPPENS)
def test_it_is_said_what_to_do(hour: Hour, row: str) -> None:
    (lines,) = [lines for each, lines in ROWS.items() if each.startswith(row)]
    assert lines
    HAPPENS[row](hour)
    for line in lines:
        eventually(lambda: hour.has_said(pattern_of(line)), line)  # noqa: B023


def test_a_page_that_was_opened_as_a_file_and_has_the_client_from_elsewhere(hour: Hour) -> None:
    site = hour.plain()
    site.is_not_let_in(extraHeaders={"Origin": "null"})
    site.process.find(rf"opened as a file, open it from the server: http://127.0.0.1:{site.port}/")


def test_the_script_of_the_cdn_is_the_one_that_npm_has() -> None:
    find_client(NEW)
    script = (NODE_MODULES / NEW / "dist" / "socket.io.min.js").read_bytes()
    digest = base64.b64encode(hashlib.sha384(script).digest()).decode()
    (tag,) = [each.code for each in blocks("tutorial.md") if "cdn." in each.code]
    assert f"/{NEW.replace('-4', '@4')}/dist/socket.io.min.js" in tag
    assert f'integrity="sha384-{digest}"' in tag
