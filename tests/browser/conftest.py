"""Real pages in a real browser: over each transport, from the server's own origin and from another.

`nox -s e2e` runs these tests; all others run without them and without a browser.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from webob import Request, Response

from sockio import BaseNamespace

from ..support.node import LATER, NODE_MODULES
from ..support.servers import Served
from ..support.transcript import Transcript
from .remote import CLIENT_JS, Browser, Client, Tab

if "SOCKIO_BROWSER" not in os.environ:
    collect_ignore_glob = ["test_*.py"]

HERE = Path(__file__).parent
EVIDENCE = HERE / "failures"
FILES = {
    "/": (HERE / "page.html", "text/html"),
    "/page.js": (HERE / "page.js", "text/javascript"),
    "/later.js": (HERE / "later.js", "text/javascript"),
    "/socket.io.js": (CLIENT_JS, "text/javascript"),
}
#: Of each line of releases the first and the last that npm has, and those around changes of what
#: is on the wire; 0.9.17 is what all other tests use.
RELEASES = ("0.7.0", "0.7.11", "0.8.0", "0.8.5", "0.8.6", "0.9.0", "0.9.11", "0.9.16")
OTHER_CLIENTS = {
    f"/clients/{version}.js": NODE_MODULES / f"socket.io-client-{version}" / "dist" / "socket.io.js"
    for version in (*RELEASES, *LATER)
}


def pages(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """The application behind the middleware: the page and its scripts.

    ``/?referrer=POLICY`` is the page with such a ``Referrer-Policy``, ``/?client=0.7.0`` the one
    with that release of the client.
    """
    request = Request(environ)
    if request.path in OTHER_CLIENTS:
        script = OTHER_CLIENTS[request.path].read_bytes()
        return Response(script, content_type="text/javascript", charset="utf-8")(
            environ, start_response
        )
    if request.path not in FILES:
        return Response(status=404)(environ, start_response)
    path, kind = FILES[request.path]
    body = path.read_bytes()
    if "client" in request.GET:
        version = request.GET["client"]
        body = body.replace(b"/socket.io.js", f"/clients/{version}.js".encode())
        if version in LATER:
            body = body.replace(b"/page.js", b"/later.js")
    response = Response(body, content_type=kind, charset="utf-8")
    if "referrer" in request.GET:
        response.headers["Referrer-Policy"] = request.GET["referrer"]
    return response(environ, start_response)


@pytest.fixture(params=["websocket", "xhr-polling", "jsonp-polling"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["same origin", "another origin"])
def cross(request: pytest.FixtureRequest) -> bool:
    """Whether the page is of another origin than the server."""
    return bool(request.param)


@pytest.fixture
def journal() -> Transcript:
    """What happened on the server's side."""
    return Transcript("server")


@pytest.fixture(scope="session")
def running_browsers() -> Iterator[list[Browser]]:
    """The browser that tests share, while it lives."""
    browsers: list[Browser] = []
    yield browsers
    for browser in browsers:
        browser.quit()


@pytest.fixture
def browser(running_browsers: list[Browser], serve: Callable[..., Served]) -> Iterator[Browser]:
    """A browser without tabs and cookies. It asks for ``serve``, so that its tabs close before the
    servers stop."""
    if running_browsers and not running_browsers[0].alive:
        running_browsers.pop().quit()
    if not running_browsers:
        running_browsers.append(Browser())
    yield running_browsers[0]
    running_browsers[0].forget_all()


@dataclass(frozen=True)
class Visit:
    """A page that is about to connect to a server."""

    tab: Tab
    server: Served
    transport: str

    def connect(self, namespace: str = "/chat", **options: Any) -> Client:
        """Connect, without waiting for it."""
        return self.tab.connect(self.server.url + namespace, self.transport, **options)

    def enter(self, namespace: str = "/chat", **options: Any) -> Client:
        """Connect, and wait until the namespace is entered."""
        client = self.connect(namespace, **options)
        client.next("connect")
        return client


StartVisit: TypeAlias = Callable[..., Visit]


@pytest.fixture
def visit(
    serve: Callable[..., Served],
    browser: Browser,
    transport: str,
    cross: bool,
    journal: Transcript,
) -> StartVisit:
    """Start a server and open a page: ``visit({"/chat": Chat}, **settings).enter()``."""

    def visit(namespaces: Mapping[str, type[BaseNamespace]], **settings: Any) -> Visit:
        recorded = {
            name: type(cls.__name__, (cls,), {"journal": journal})
            for name, cls in namespaces.items()
        }
        if not cross:
            server = serve(pages, recorded, **settings)
            return Visit(browser.open(server.url + "/"), server, transport)
        elsewhere = serve(pages)
        server = serve(pages, recorded, **{"origins": [elsewhere.url], **settings})
        tab = browser.open(elsewhere.url + "/")
        if transport == "jsonp-polling":
            # As in the browsers that need it: the client then handshakes by a script too.
            tab.forget_cors()
        return Visit(tab, server, transport)

    return visit


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what the browser shows when a test fails, and say where."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if report.when == "call" and report.failed and browser is not None:
        kept = browser.keep_evidence(EVIDENCE, item.name)
        shown = "\n".join(str(path.relative_to(item.config.rootpath)) for path in kept)
        addsection = getattr(report.longrepr, "addsection", None)
        if addsection is not None:
            addsection("kept from the browser", shown)
    return report
