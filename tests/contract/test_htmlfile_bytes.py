"""htmlfile to the byte: a page that never stops loading (fact sheet, section 7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from sockio.sessions.reasons import Reason

from ..support.raw_http import Connection, get, handshake, post
from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from ..support.transports import CLIENTS

FIRST = (
    b"<html><body><script>var _ = function (msg) { parent.s._(msg, document); };</script>"
    + b" " * 173
)


Load = Callable[..., "Page"]


class Page:
    """The page as it loads."""

    def __init__(self, server: Served, sid: str | None = None, version: str = "1.1") -> None:
        self.server = server
        self.sid = sid or handshake(server.port)
        self.path = f"/socket.io/1/htmlfile/{self.sid}"
        self.connection = Connection(server.port)
        host = f"127.0.0.1:{server.port}"
        self.connection.send(f"GET {self.path} HTTP/{version}\r\nHost: {host}\r\n\r\n".encode())

    def head(self) -> dict[str, str]:
        status, *lines = self.connection.read_until(b"\r\n\r\n").decode().split("\r\n")[:-2]
        assert status == "HTTP/1.1 200 OK"
        pairs = (line.split(": ", 1) for line in lines)
        return {name.lower(): value for name, value in pairs}

    def loaded(self) -> Page:
        """Past everything that comes before the first packet of the application."""
        self.head()
        self.expect(FIRST)
        self.expect(b'<script>_("1::");</script>')
        return self

    def expect(self, chunk: bytes) -> None:
        wire = f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"
        assert self.connection.read(len(wire)) == wire

    def say(self, text: str) -> None:
        self.server.registry.sockets[self.sid][""].send(text)


@pytest.fixture
def load() -> Iterator[Callable[..., Page]]:
    """Begin to load a page: ``page = load(server)``. All are left at the end."""
    pages: list[Page] = []

    def make(server: Served, sid: str | None = None, version: str = "1.1") -> Page:
        pages.append(Page(server, sid, version))
        return pages[-1]

    yield make
    for page in pages:
        page.connection.close()


@pytest.fixture
def page(server: Served, load: Load) -> Page:
    return load(server)


def test_d63_d68_the_answer_has_these_headers_and_no_length(page: Page) -> None:
    headers = page.head()
    assert headers.pop("date")
    assert headers == {
        "content-type": "text/html; charset=UTF-8",
        "transfer-encoding": "chunked",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-accel-buffering": "no",
    }


def test_d63_the_first_chunk_has_256_bytes_and_each_packet_one_of_its_own(page: Page) -> None:
    page.head()
    assert len(FIRST) == 256
    page.expect(FIRST)
    page.expect(b'<script>_("1::");</script>')
    for text in ("one", "two"):
        page.say(text)
        page.expect(f'<script>_("3:::{text}");</script>'.encode())


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        pytest.param("a/b", r'"3:::a\/b"', id="a slash"),
        pytest.param("</script>", r'"3:::<\/script>"', id="the end of a script"),
        pytest.param("</SCRIPT >//", r'"3:::<\/SCRIPT >\/\/"', id="in capitals"),
        pytest.param("<!--<script>", r'"3:::\u003c!--<script>"', id="a comment"),
        pytest.param("\\/", r'"3:::\\\/"', id="a backslash before a slash"),
        pytest.param('"\\n', r'"3:::\"\\n"', id="quotes and backslashes"),
        pytest.param("\u2028\u2029", r'"3:::\u2028\u2029"', id="line separators"),
        pytest.param("a\nb", r'"3:::a\nb"', id="a line end"),
        pytest.param("ñ☃💩", '"3:::ñ☃💩"', id="other alphabets are raw"),
    ],
)
def test_d63_what_is_said_cannot_leave_its_script(page: Page, text: str, literal: str) -> None:
    page.loaded()
    page.say(text)
    page.expect(f"<script>_({literal});</script>".encode())
    assert json.loads(literal) == f"3:::{text}"


def test_what_was_queued_before_comes_as_one_payload(server: Served, load: Load) -> None:
    with CLIENTS["xhr-polling"](server).open() as poller:
        poller.send("3:::one", "3:::💩/")
        eventually(lambda: poller.socket.outbox_size[0] == 2, "both wait")
        page = load(server, poller.sid)
        page.head()
        page.expect(FIRST)
        page.expect('<script>_("\ufffd7\ufffd3:::one\ufffd7\ufffd3:::💩\\/");</script>'.encode())
        page.say("live")
        page.say("again")
        page.expect(b'<script>_("3:::live");</script>')
        page.expect(b'<script>_("3:::again");</script>')


def test_d63_the_stream_ends_with_the_session_and_the_connection_is_kept(page: Page) -> None:
    page.loaded()
    page.server.registry.sockets[page.sid].disconnect()
    page.expect(b'<script>_("0::");</script>')
    page.connection.read_until(b"0\r\n\r\n")
    assert page.connection.ask("GET", "/socket.io/").body == "Welcome to socket.io."


def test_an_unknown_session_is_told_so_by_a_script_and_the_page_is_complete(
    server: Served,
) -> None:
    answer = get(server.port, "/socket.io/1/htmlfile/unknown")
    assert answer.code == 200
    assert answer.body.encode() == FIRST + b'<script>_("7:::1+0");</script>'


def test_http_1_0_is_refused_before_the_session_opens(
    server: Served, journal: Transcript, caplog: pytest.LogCaptureFixture, load: Load
) -> None:
    """Without chunks the end of the answer could not be told from a broken connection."""
    page = load(server, version="1.0")
    answer = page.connection.answer()
    assert (answer.code, answer.headers["content-type"]) == (505, "text/plain; charset=UTF-8")
    assert "xhr-polling" in answer.body
    assert page.connection.at_end()
    assert caplog.text.count("refused") == 1
    assert journal.entries == []
    load(server, page.sid).loaded()


def test_d60_no_cors_headers_for_a_frame(server: Served) -> None:
    connection = Connection(server.port)
    headers = {"Origin": server.url}
    path = f"/socket.io/1/htmlfile/{handshake(server.port)}"
    connection.request("GET", path, headers=headers)
    head = connection.read_until(b"\r\n\r\n").lower()
    assert b"access-control" not in head
    connection.close()


def test_posts_are_plain_text(page: Page, journal: Transcript) -> None:
    page.loaded()
    answer = post(page.server.port, page.path, "3:::a+b%20/")
    assert (answer.code, answer.body) == (200, "1")
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
    assert journal.next("message") == ("a+b%20/",)
    page.expect(b'<script>_("3:::a+b%20\\/");</script>')


def test_d63_nothing_outlives_a_page_that_was_left(
    start: Callable[..., Served], journal: Transcript, load: Load
) -> None:
    server = start(spawn=100)
    page = load(server).loaded()
    pool = server.server.pool
    assert pool is not None
    assert len(pool) == 1
    page.connection.reset()
    assert journal.next("disconnect", "")[1] in (Reason.TRANSPORT_CLOSE, Reason.TRANSPORT_ERROR)
    eventually(lambda: not len(pool), "the request has ended")
    assert len(server.registry) == 0


def test_d65_a_page_that_is_left_while_it_is_written_to(
    server: Served, journal: Transcript, load: Load
) -> None:
    page = load(server).loaded()
    for _ in range(20):
        page.say("x" * 100_000)
    page.connection.read(1000)
    page.connection.reset()
    journal.next("disconnect", "")
    assert len(journal.all("disconnect")) == 1
    eventually(lambda: len(server.registry) == 0, "the session has ended")


def test_d66_a_second_page_takes_over(page: Page, load: Load) -> None:
    page.loaded()
    second = load(page.server, page.sid)
    second.head()
    second.expect(FIRST)
    page.connection.read_until(b"0\r\n\r\n")
    page.say("for the newest")
    second.expect(b'<script>_("3:::for the newest");</script>')
