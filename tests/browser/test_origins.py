"""Pages of origins that are not listed: what a hostile page can try, a browser lets it try here.

That pages of a listed origin get through is in the other files: half of those tests run so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from ..support.recorded import Recorded
from ..support.servers import Served
from ..support.transcript import Transcript, eventually
from .conftest import pages
from .remote import Browser, Client

pytestmark = pytest.mark.browser

Answers: TypeAlias = list[tuple[str, str, str]]


class Chat(Recorded):
    def on_echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    def on_say(self, text: str) -> None:
        self.journal.add("say", text)


class AccessLog:
    """gevent.pywsgi's, as rows of method, path and status. Only what was asked of sockio."""

    def __init__(self) -> None:
        self.answers: Answers = []

    def write(self, line: str) -> None:
        request, _, rest = line.split('"', 1)[1].partition('" ')
        method, path, _ = request.split(" ")
        if path.startswith("/socket.io/"):
            self.answers.append((method, path, rest.split(" ")[0]))


@pytest.fixture
def access() -> AccessLog:
    return AccessLog()


@pytest.fixture
def server(serve: Callable[..., Served], journal: Transcript, access: AccessLog) -> Served:
    recorded = {
        name: type(cls.__name__, (cls,), {"journal": journal})
        for name, cls in {"": Recorded, "/chat": Chat}.items()
    }
    return serve(pages, recorded, log=access, origins=["https://www.example.com"])


@pytest.fixture
def stranger(serve: Callable[..., Served]) -> Served:
    """Another server, whose pages are not welcome."""
    return serve(pages)


@pytest.fixture
def victim(browser: Browser, server: Served) -> Client:
    """A page of the server's own."""
    client = browser.open(server.url + "/", "victim").connect(server.url + "/chat", "websocket")
    client.next("connect")
    return client


@pytest.mark.parametrize("transport", ["websocket", "xhr-polling", "jsonp-polling"])
@pytest.mark.parametrize("referrer", ["unsafe-url", "no-referrer"])
def test_the_client_is_refused(
    browser: Browser,
    server: Served,
    stranger: Served,
    access: AccessLog,
    transport: str,
    referrer: str,
    journal: Transcript,
) -> None:
    """At the handshake already, whether the page tells where it is or not."""
    tab = browser.open(f"{stranger.url}/?referrer={referrer}")
    old = transport == "jsonp-polling"
    if old:
        tab.forget_cors()
    client = tab.connect(server.url + "/chat", transport)
    # Without CORS headers the browser tells the page nothing; a script can.
    assert client.next("error") == (["handshake bad origin"] if old else [""])
    assert [status for _, _, status in access.answers] == ["200" if old else "403"]
    assert client.got("connect") == []
    assert server.registry.sockets == {}
    assert journal.entries == []


#: Reads a session by scripts, as the client does, but hides where it is.
READER = """([url]) => new Promise((done) => {
    const got = [];
    let sid;
    function ask(path) {
        const script = document.createElement('script');
        script.referrerPolicy = 'no-referrer';
        script.onerror = () => done([...got, 'error']);
        script.src = `${url}/1/${path}`;
        document.head.append(script);
    }
    io.j = [(data) => {
        got.push(String(data));
        if (got.length === 1) sid = got[0].split(':')[0];
        if (got.length === 3 || got[0].startsWith('Error')) done(got);
        else ask(`jsonp-polling/${sid}?i=0&t=${got.length}`);
    }];
    ask('?jsonp=0');
})"""


@pytest.mark.parametrize("host", ["evil.test", "victim.test"])
def test_a_page_that_hides_reads_nothing_by_scripts(
    browser: Browser, server: Served, stranger: Served, host: str
) -> None:
    """Over plain HTTP, where browsers send no Sec-Fetch-Site; another port is another origin."""
    tab = browser.open(f"http://{host}:{stranger.port}/")
    got = tab.evaluate(READER, [f"http://victim.test:{server.port}/socket.io"])
    assert got == ["Error: handshake bad origin"]
    assert len(server.registry) == 0


#: Each way a page has to send a request, given the server and the id of somebody else's session.
#: They resolve when the browser is done with it, with what the page got to know.
REQUESTS = [
    pytest.param(
        """([url, sid]) => new Promise((done) => {
            const script = document.createElement('script');
            io.j[0] = (data) => done(data);
            script.onload = script.onerror = (event) => done(event.type);
            script.src = `${url}/1/jsonp-polling/${sid}?t=1&i=0`;
            document.head.append(script);
        })""",
        "GET",
        id="a poll by a script",
    ),
    pytest.param(
        """([url, sid]) => new Promise((done) => {
            document.body.insertAdjacentHTML('beforeend',
              '<iframe name="into"></iframe><form method="post" target="into"><textarea name="d">');
            const form = document.querySelector('form');
            form.action = `${url}/1/jsonp-polling/${sid}?t=1&i=0`;
            form.d.value = JSON.stringify('5::/chat:{"name":"say","args":["boo"]}');
            document.querySelector('iframe').onload = () => done('load');
            form.submit();
        })""",
        "POST",
        id="a packet by a form",
    ),
    pytest.param(
        """([url, sid]) => fetch(`${url}/1/xhr-polling/${sid}`)
            .then((answer) => answer.text(), (error) => error.name)""",
        "GET",
        id="a poll",
    ),
    pytest.param(
        """([url, sid]) => fetch(`${url}/1/xhr-polling/${sid}`, { mode: 'no-cors' })
            .then((answer) => answer.type, (error) => error.name)""",
        "GET",
        id="a poll without CORS",
    ),
    pytest.param(
        """([url, sid]) => fetch(`${url}/1/xhr-polling/${sid}`, {
            method: 'POST', mode: 'no-cors', body: '5::/chat:{"name":"say","args":["boo"]}',
        }).then((answer) => answer.type, (error) => error.name)""",
        "POST",
        id="a packet",
    ),
    pytest.param(
        """([url, sid]) => fetch(`${url}/1/xhr-polling/${sid}`, {
            method: 'POST', headers: { 'X-Mine': '1' }, body: '5::/chat:{"name":"say"}',
        }).then((answer) => answer.text(), (error) => error.name)""",
        "OPTIONS",
        id="a packet with a preflight",
    ),
    pytest.param(
        """([url, sid]) => new Promise((done) => {
            const frame = document.createElement('iframe');
            frame.onload = () => done('load');
            frame.src = `${url}/1/htmlfile/${sid}`;
            document.body.append(frame);
        })""",
        "GET",
        id="a stream in a frame",
    ),
    pytest.param(
        """([url, sid]) => new Promise((done) => {
            const socket = new WebSocket(`${url.replace('http', 'ws')}/1/websocket/${sid}`);
            socket.onopen = () => done('open');
            socket.onerror = () => done('error');
        })""",
        "GET",
        id="a websocket",
    ),
    pytest.param(
        """([url, sid]) => new Promise((done) => {
            const image = new Image();
            image.onload = image.onerror = (event) => done(event.type);
            image.src = `${url}/1//${sid}/?disconnect=1`;
        })""",
        "GET",
        id="the end by an image",
    ),
    pytest.param(
        """([url, sid]) => fetch(`${url}/1/?t=1`, { credentials: 'include' })
            .then((answer) => answer.text(), (error) => error.name)""",
        "GET",
        id="a handshake of its own",
    ),
]


@pytest.mark.parametrize(("script", "method"), REQUESTS)
def test_every_single_request_is_refused(
    browser: Browser,
    server: Served,
    stranger: Served,
    victim: Client,
    access: AccessLog,
    journal: Transcript,
    script: str,
    method: str,
) -> None:
    """Also with the id of a living session, which the page overheard somehow."""
    del access.answers[:]
    tab = browser.open(f"{stranger.url}/")
    got = tab.evaluate(script, [f"{server.url}/socket.io", victim.sid])
    assert got in ("TypeError", "error", "opaque", "load")
    eventually(lambda: access.answers, "the request is in the log")
    assert [(how, status) for how, _, status in access.answers] == [(method, "403")]
    assert victim.ask("echo", "still here") == ["still here"]
    assert journal.all("say") == journal.all("disconnect") == []
    assert list(server.registry.sockets) == [victim.sid]


@pytest.mark.parametrize("transport", ["websocket", "xhr-polling", "jsonp-polling"])
def test_the_same_host_by_another_name_is_another_origin(
    browser: Browser, server: Served, transport: str, access: AccessLog
) -> None:
    tab = browser.open(f"http://localhost:{server.port}/")
    client = tab.connect(server.url + "/chat", transport)
    assert client.next("error") == [""]
    assert [status for _, _, status in access.answers] == ["403"]
