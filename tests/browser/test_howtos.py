"""The pages on Flask and Pyramid as they are written: the site with its jobs, served by the page's
command, and the page's script in the windows of two users. docs/howto/django.md has a file of its
own."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..support.node import NODE_MODULES, find_client
from ..support.pages import blocks, site_with_jobs
from ..support.processes import STARTS, free_port, need_module, running
from .remote import Browser, Tab

pytestmark = pytest.mark.browser

CLIENT = "socket.io-client-4.8.4"
#: The page that the reader has, with the script of the documentation's.
HTML = """<!doctype html>
<form method="post" action="/login"><input name="nickname"><button>Come in</button></form>
<script src="/socket.io/socket.io.js"></script>
<script>
const show = (what) => document.body.append(`${{what}}; `);
{script}
chat.on('online', (count) => show(`online: ${{count}}`));
chat.on('here', (users) => show(`here: ${{users}}`));
chat.on('progress', (percent) => show(`progress: ${{percent}}`));
</script>
"""
#: How it comes to be served: before this line of the site, and with these.
FLASK = (
    "@app.post(",
    """@app.get("/")
def home():
    from flask import send_file
    return send_file("page.html")


""",
)
PYRAMID = (
    "config.add_route(",
    """config.add_route("home", "/")
        home = lambda request: Response(open("page.html").read())
        config.add_view(home, route_name="home")
        """,
)


@contextmanager
def site_of(page: str, folder: Path) -> Iterator[str]:
    """The page's site, running; its address."""
    need_module(page, "watchfiles", requirement=f".[{page}-demo,reload]")
    find_client(CLIENT)
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "socket.io-client").symlink_to(NODE_MODULES / CLIENT)
    (script,) = [each.code for each in blocks(f"howto/{page}.md") if each.language == "js"]
    html = HTML.format(script=script.replace("console.log(", "show("))
    (folder / "page.html").write_text(html, "utf-8")
    place, home = {"flask": FLASK, "pyramid": PYRAMID}[page]
    site = site_with_jobs(page).replace(place, home + place, 1)
    (folder / f"{page}_site.py").write_text(site, "utf-8")
    # The first; others are about several workers.
    command = next(each.code for each in blocks(f"howto/{page}.md") if each.language == "sh")
    program, *words = shlex.split(command)
    assert program == "sockio"
    command_line = [sys.executable, "-m", "sockio.cli", *words, "--port", str(free_port())]
    with running(command_line, folder) as process:
        yield process.find(r"serving on (http://127\.0\.0\.1:\d+)", STARTS)[1]


def log_in(tab: Tab, name: str) -> None:
    tab.do("fill", "[name=nickname]", name)
    tab.do("press", "[name=nickname]", "Enter")


def reads(tab: Tab, text: str) -> None:
    tab.wait_for(f'body:has-text("{text}")')


def posts(tab: Tab, path: str, **fields: str) -> None:
    """As a form of the reader's would."""
    tab.evaluate(
        """([path, fields]) => fetch(path, { method: 'POST', body: new URLSearchParams(fields) })
            .then((answer) => answer.status)""",
        [path, fields],
    )


@pytest.mark.parametrize(
    ("page", "who_is_here"),
    [
        pytest.param("flask", "online: 2;", id="Flask"),
        pytest.param("pyramid", "here: ada,bob;", id="Pyramid"),
    ],
)
def test_two_users_and_a_job(browser: Browser, tmp_path: Path, page: str, who_is_here: str) -> None:
    with site_of(page, tmp_path) as url:
        ada, bob = (browser.open(f"{url}/", visitor=name) for name in ("ada", "bob"))
        for tab in (ada, bob):
            reads(tab, "Not let in: ")
            reads(tab, "handshake unauthorized")
        log_in(ada, "ada")
        reads(ada, "true;")
        log_in(bob, "bob")
        reads(bob, "true;")
        reads(ada, "bob: hello;")
        for tab in (ada, bob):
            reads(tab, who_is_here)
        posts(bob, "/announce", text="Fire drill.")
        for tab in (ada, bob):
            reads(tab, "Fire drill.;")
        posts(ada, "/job")
        reads(ada, "progress: 0; ")
        reads(ada, "progress: 10;")
        assert "progress" not in bob.evaluate("() => document.body.innerText")
        for tab in (ada, bob):
            assert tab.heard("page error") == []
