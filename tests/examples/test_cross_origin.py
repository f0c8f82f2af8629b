"""The cross-origin example: who is let in, who is refused, and who hears of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sockio.testing import Browser, Client, EventFailed

from .programs import EXAMPLES, command_of, running

PROGRAM = ("sockets", "a page that they refuse", "the page that they allow")


class Site:
    """The three servers of the example, by their origins."""

    def __init__(self, sockets: str, refused: str, allowed: str) -> None:
        self.sockets, self.refused, self.allowed = sockets, refused, allowed
        self._browsers: list[Browser] = []

    def browser(self, url: str, origin: str) -> Browser:
        """One that shows the page of ``origin``, whose scripts speak to ``url``."""
        browser = Browser(url)
        browser.headers["Origin"] = origin
        self._browsers.append(browser)
        return browser

    def close(self) -> None:
        for browser in self._browsers:
            browser.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    command = command_of("cross_origin", "python examples/cross_origin/run.py")
    with running(command, EXAMPLES.parent, PORT="0") as program:
        site = Site(*(program.tells(rf"{name}: serving on (http://[\d.:]+)") for name in PROGRAM))
        yield site
        site.close()
        assert program.stop() == 0


def connect(site: Site, transport: str = "xhr-polling") -> Client:
    client = site.browser(site.sockets, site.allowed).connect("/demo", transport=transport)
    assert client.expect("welcome").args == [site.allowed]
    return client


def test_the_allowed_page_gets_a_session_and_may_read_the_answer(site: Site) -> None:
    reply = site.browser(site.sockets, site.allowed).get("/socket.io/1/")
    assert reply.status == 200
    assert reply.headers["Access-Control-Allow-Origin"] == site.allowed
    assert reply.headers["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("{refused}", id="the same page from another port"),
        pytest.param("http://localhost:{port}", id="the allowed page by another name"),
        pytest.param("https://127.0.0.1:{port}", id="another scheme"),
        pytest.param("null", id="a page without an origin"),
    ],
)
def test_any_other_page_is_refused_and_its_browser_tells_it_nothing(
    site: Site, origin: str
) -> None:
    port = site.allowed.rpartition(":")[2]
    stranger = site.browser(site.sockets, origin.format(refused=site.refused, port=port))
    reply = stranger.get("/socket.io/1/")
    assert (reply.status, reply.text) == (403, "handshake bad origin")
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_a_session_id_that_was_overheard_is_of_no_use_elsewhere(site: Site) -> None:
    client = connect(site)
    stranger = site.browser(site.sockets, site.refused)
    assert (
        stranger.request("POST", client.url, '5::/demo:{"name":"say","args":["boo"]}').status == 403
    )
    assert client.call("say", "still here") == "xhr-polling"


def test_pages_hear_each_other_and_the_ack_says_over_what(site: Site) -> None:
    one = connect(site)
    other = connect(site, "websocket")
    assert one.expect("came").args == [site.allowed]
    assert other.call("say", " hello ") == "websocket"
    assert one.expect("said").args == [site.allowed, "hello"]
    with pytest.raises(EventFailed) as failed:
        other.call("say", "x" * 201)
    assert failed.value.code == "bad_text"


def test_the_allowed_page_is_told_what_the_log_says_of_a_refusal(site: Site) -> None:
    client = connect(site)
    site.browser(site.sockets, site.refused).get("/socket.io/1/")
    (line,) = client.expect("log").args
    assert f"origin '{site.refused}' is not allowed" in line
    assert "Set origins=[...]" in line


@pytest.mark.parametrize("which", ["allowed", "refused"])
def test_both_pages_are_the_same_and_may_load_what_they_need(site: Site, which: str) -> None:
    browser = site.browser(getattr(site, which), getattr(site, which))
    page = browser.get("/")
    assert f'data-sockets="{site.sockets}" data-page="{site.allowed}"' in page.text
    policy = page.headers["Content-Security-Policy"]
    assert f"connect-src {site.sockets} {site.sockets.replace('http', 'ws')};" in policy
    for path in re.findall(r'(?:src|href)="(page\.\w+)"', page.text):
        assert browser.get(f"/{path}").status == 200
    assert browser.get("/run.py").status == 404
