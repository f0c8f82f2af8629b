"""Scripts and pages that the documentation shows, in Chromium: docs/generations.md, the front page,
docs/howto/recovery.md. tests/e2e/test_generations_page.py has the first two without a browser."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from webob import Request, Response
from webob.dec import wsgify

from ..support.node import NODE_MODULES, find_client
from ..support.pages import blocks, load, snippets
from ..support.processes import STARTS, free_port, running
from ..support.proxy import cable_to
from ..support.servers import Served
from .remote import CLIENT_JS, NEW_CLIENT_JS, Browser, Tab

pytestmark = pytest.mark.browser

HTML = """<!doctype html>
<script src="/client.js"></script>
<script>
const show = (what) => document.body.append(`${{what}}; `);
{script}
</script>
"""
NEW, OLD, *_ = snippets("generations.md", "js")


def page_with(script: str, client: Path) -> Callable[..., Any]:
    """A page of that script, and the client that it loads."""

    @wsgify
    def pages(request: Request) -> Response:
        if request.path == "/client.js":
            return Response(client.read_bytes(), content_type="text/javascript", charset="utf-8")
        return Response(HTML.format(script=script), content_type="text/html")

    application: Callable[..., Any] = pages
    return application


def reads(tab: Tab, text: str) -> None:
    tab.wait_for(f'body:has-text("{text}")')


@pytest.mark.parametrize(
    ("script", "client", "refused"),
    [
        pytest.param(NEW, NEW_CLIENT_JS, "refused: Who are you?;", id="4.x"),
        pytest.param(OLD, CLIENT_JS, "refused: unauthorized;", id="0.9"),
    ],
)
def test_a_page_of_each_generation(
    serve: Callable[..., Served],
    browser: Browser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    client: Path,
    refused: str,
) -> None:
    site = load("generations.md", "generations_site", tmp_path, monkeypatch)
    server = serve(page_with(script, client), {"/chat": site.Chat})
    tab = browser.open(server.url + "/")
    for shown in ("connected;", "hello;", "5;"):
        reads(tab, shown)
    guessing = serve(page_with(script.replace("secret", "guess"), client), {"/chat": site.Chat})
    reads(browser.open(guessing.url + "/"), refused)


def test_the_front_page(
    serve: Callable[..., Served],
    browser: Browser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (script,) = snippets("index.md", "js")
    # What the reader has.
    mysite = SimpleNamespace(pages=page_with(script, NEW_CLIENT_JS))
    monkeypatch.setitem(sys.modules, "mysite", mysite)
    server = serve(load("index.md", "front", tmp_path, monkeypatch).app)
    reads(browser.open(server.url + "/"), "ada: hello;")


def test_who_was_offline_hears_what_was_said(browser: Browser, tmp_path: Path) -> None:
    """As the page has it: the whole site, two windows, and one of them offline for a while."""
    page = blocks("howto/recovery.md")
    (html,) = [each.code for each in page if each.language == "html"]
    (tmp_path / "page.html").write_text(html, "utf-8")
    (site,) = [each.code for each in page if each.name == "recovery_site.py"]
    (tmp_path / "recovery_site.py").write_text(site, "utf-8")
    find_client("socket.io-client-4.8.4")
    (tmp_path / "node_modules").mkdir()
    folder = tmp_path / "node_modules" / "socket.io-client"
    folder.symlink_to(NODE_MODULES / "socket.io-client-4.8.4")
    text = (Path(__file__).parents[2] / "docs" / "howto" / "recovery.md").read_text("utf-8")
    assert "`npm install --prefix . socket.io-client`, `sockio serve recovery_site:app`" in text
    port = free_port()
    command = [sys.executable, "-m", "sockio.cli", "serve", "recovery_site:app"]
    with running([*command, "--port", str(port)], tmp_path) as process, cable_to(port) as cable:
        process.find(r"serving on", STARTS)
        one = browser.open(f"{cable.url}/")
        other = browser.open(f"http://127.0.0.1:{port}/")
        for tab in (one, other):
            reads(tab, "connected")
        cable.lead_to(free_port())
        cable.cut()
        other.do("fill", "[name=text]", "hello?")
        other.do("press", "[name=text]", "Enter")
        reads(other, "ada: hello?")
        cable.lead_to(port)
        reads(one, "back")
        reads(one, "ada: hello?")
        shown = one.evaluate("() => document.querySelector('#shown').innerText").split()
        assert sorted(shown) == sorted(["connected", "back", "ada:", "hello?"])
