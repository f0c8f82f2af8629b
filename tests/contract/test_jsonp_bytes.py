"""jsonp-polling to the byte: a script for every poll, a form for every POST (fact sheet, 7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from sockio.transports import jsonp_polling
from sockio.transports.request import Request

from ..support.raw_http import Answer, get, post
from ..support.servers import Served
from ..support.transcript import Transcript
from ..support.transports import CLIENTS, Client, JSONPPolling

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def client(server: Served) -> Iterator[Client]:
    with CLIENTS["jsonp-polling"](server).open() as client:
        yield client


def say(client: Client, *texts: str) -> None:
    for text in texts:
        client.socket[""].send(text)


def poll(client: Client, query: str = "?t=1&i=0") -> Answer:
    return get(client.server.port, client.path + query)


def send(client: Client, body: str | bytes) -> Answer:
    return post(client.server.port, client.path, body, FORM)


# ---- Polls


def test_d68_the_answer_to_a_poll_has_these_headers(client: Client) -> None:
    say(client, "ñ")
    answer = get(client.server.port, client.path, {"Origin": client.server.url})
    assert answer.status == "HTTP/1.1 200 OK"
    assert answer.headers.pop("date")
    body = 'io.j[0]("3:::ñ");'
    assert answer.body == body
    assert answer.headers == {
        "content-type": "text/javascript; charset=UTF-8",
        "content-length": str(len(body.encode())),
        "x-xss-protection": "0",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        pytest.param("plain", '"3:::plain"', id="plain"),
        pytest.param('say "hi"', r'"3:::say \"hi\""', id="double quotes"),
        pytest.param("it's", '"3:::it\'s"', id="a single quote"),
        pytest.param("a\\b", r'"3:::a\\b"', id="a backslash"),
        pytest.param('\\"', r'"3:::\\\""', id="a backslash before a quote"),
        pytest.param("a\nb\r", r'"3:::a\nb\r"', id="line ends"),
        pytest.param("a\u2028b\u2029c", r'"3:::a\u2028b\u2029c"', id="line separators"),
        pytest.param("☃💩", '"3:::☃💩"', id="other alphabets are raw"),
        pytest.param("</script>", r'"3:::<\/script>"', id="the end of a script"),
        pytest.param("<!--", r'"3:::\u003c!--"', id="the beginning of a comment"),
    ],
)
def test_d62_a_packet_is_one_javascript_string(client: Client, text: str, literal: str) -> None:
    say(client, text)
    answer = poll(client)
    assert answer.body == f"io.j[0]({literal});"
    assert json.loads(literal) == f"3:::{text}"


def test_several_packets_are_one_payload(client: Client) -> None:
    say(client, "one", "💩")
    assert poll(client).body == 'io.j[0]("\ufffd7\ufffd3:::one\ufffd6\ufffd3:::💩");'


@pytest.mark.parametrize(
    ("query", "index"),
    [
        pytest.param("?i=0", "0", id="zero"),
        pytest.param("?t=1&i=12", "12", id="another"),
        pytest.param("?i=999999999", "999999999", id="the largest"),
        pytest.param("", "0", id="none"),
        pytest.param("?i=", "0", id="empty"),
        pytest.param("?i=-1", "0", id="negative"),
        pytest.param("?i=1.5", "0", id="a fraction"),
        pytest.param("?i=1%0a", "0", id="a line end behind it"),
        pytest.param("?i=%D9%A1", "0", id="digits of another alphabet"),
        pytest.param("?i=1234567890", "0", id="too long"),
        pytest.param("?i=0](1);alert(1)//", "0", id="a script"),
        pytest.param("?i=0%5D(1);alert(1)//", "0", id="a script, escaped"),
        pytest.param("?i=%FF", "0", id="no UTF-8"),
        pytest.param("?i=7&i=alert(1)", "7", id="twice"),
        pytest.param("?" + "&" * 1000 + "i=7", "7", id="behind a thousand fields"),
    ],
)
def test_d61_an_index_is_digits_or_it_is_zero(client: Client, query: str, index: str) -> None:
    say(client, "x")
    answer = poll(client, query)
    assert answer.body == f'io.j[{index}]("3:::x");'
    assert "alert" not in answer.body


@pytest.mark.parametrize("value", ["0](1);alert(document.domain)//", "a", "", "-1", "1 ", "%u0031"])
def test_d61_a_handshake_reflects_no_callback_that_is_not_digits(
    server: Served, value: str
) -> None:
    answer = get(server.port, "/socket.io/1/?jsonp=" + quote(value))
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.body.count(":") == 3
    assert "alert" not in answer.body


def test_an_unknown_session_is_told_so_by_the_callback(server: Served) -> None:
    answer = get(server.port, "/socket.io/1/jsonp-polling/unknown?i=3")
    assert (answer.code, answer.body) == (200, 'io.j[3]("7:::1+0");')


def test_an_idle_poll_ends_with_a_call_too(start: Callable[..., Served]) -> None:
    server = start(polling_duration=0.05)
    with CLIENTS["jsonp-polling"](server).open() as client:
        assert poll(client, "?i=4").body == 'io.j[4]("8::");'


# ---- POSTs


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param('d="3:::plain"', "plain", id="unescaped"),
        pytest.param("d=%223%3A%3A%3Aplain%22", "plain", id="escaped"),
        pytest.param('d="3:::a+b"', "a b", id="a plus is a space"),
        pytest.param('d="3:::a%2Bb"', "a+b", id="an escaped plus is a plus"),
        pytest.param('d="3:::%C3%B1%E2%98%83"', "ñ☃", id="UTF-8"),
        pytest.param('d="3:::ñ☃"', "ñ☃", id="raw UTF-8"),
        pytest.param('d="3:::%F0%9F%92%A9"', "💩", id="astral"),
        pytest.param(r'd="3:::\ud83d\udca9"', "💩", id="a surrogate pair"),
        pytest.param(r'd="3:::a\nb"', "a\nb", id="a line end"),
        pytest.param(r'd="3:::\"hi\""', '"hi"', id="quotes"),
        pytest.param(r'd="3:::C:\\new"', r"C:\new", id="a backslash, not a line end"),
        pytest.param(r'd="3:::\\\""', '\\"', id="a backslash before a quote"),
        pytest.param('d="3:::a%26d%3D1"', "a&d=1", id="what would end the field"),
        pytest.param('d="3:::a;b"', "a;b", id="a semicolon does not"),
        pytest.param('x=1&d="3:::other fields"&y=', "other fields", id="other fields"),
        pytest.param('d="3:::100%"', "100%", id="a percent sign alone"),
    ],
)
def test_d62_the_form_is_decoded_then_the_json(
    client: Client, journal: Transcript, body: str, text: str
) -> None:
    answer = send(client, body)
    assert (answer.code, answer.body) == (200, "1")
    assert journal.next("message") == (text,)


def test_d68_the_answer_to_a_post_has_these_headers(client: Client) -> None:
    headers = {**FORM, "Origin": client.server.url}
    answer = post(client.server.port, client.path, 'd="3:::x"', headers)
    assert answer.headers.pop("date")
    assert answer.headers == {
        "content-type": "text/plain; charset=UTF-8",
        "content-length": "1",
        "x-xss-protection": "0",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }


@pytest.mark.parametrize("escape", [quote, quote_plus, str], ids=["%20", "+", "raw"])
def test_d52_lengths_count_units_of_the_string_behind_the_json(
    client: Client, journal: Transcript, escape: Callable[[str], str]
) -> None:
    texts = ["💩ñ", '"\\\n', "last"]
    packets = [f"3:::{text}" for text in texts]
    framed = "".join(f"\ufffd{len(p.encode('utf-16-le')) // 2}\ufffd{p}" for p in packets)
    # Both ways of writing JSON: what counts is the string that comes out.
    for ascii_only in (True, False):
        assert send(client, "d=" + escape(json.dumps(framed, ensure_ascii=ascii_only))).code == 200
        assert [journal.next("message")[0] for _ in texts] == texts


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param({}, id="none"),
        pytest.param({"Content-Type": "text/plain;charset=UTF-8"}, id="that of xhr-polling"),
        pytest.param({"Content-Type": "application/json"}, id="JSON"),
        pytest.param({"Content-Type": "multipart/form-data; boundary=x"}, id="another form"),
        pytest.param({"Content-Type": "application/x-www-form-urlencoded; charset=x"}, id="junk"),
    ],
)
def test_the_content_type_of_a_post_changes_nothing(
    client: Client, journal: Transcript, content_type: dict[str, str]
) -> None:
    answer = post(client.server.port, client.path, 'd="3:::a+b"', content_type)
    assert (answer.code, answer.body) == (200, "1")
    assert journal.next("message") == ("a b",)


BAD = [
    pytest.param("", id="empty"),
    pytest.param("3:::x", id="that of xhr-polling"),
    pytest.param("d", id="a name alone"),
    pytest.param("d=", id="an empty field"),
    pytest.param("e=%223%3A%3A%3Ax%22", id="another field"),
    pytest.param("d=x:::3", id="neither JSON nor a packet"),
    pytest.param("d=9:::x", id="no JSON and no such packet"),
    pytest.param("d=%223:::x", id="half a string"),
    pytest.param("d=[1]", id="a list"),
    pytest.param("d=5", id="a number"),
    pytest.param("d=null", id="null"),
    pytest.param("d=NaN", id="what JSON does not know"),
    pytest.param("d=" + "[" * 100_000, id="deep"),
    pytest.param("d=" + "1" * 100_000, id="a large number"),
    pytest.param(b'd="3:::\xff"', id="no UTF-8"),
    pytest.param('d="3:::%FF"', id="no UTF-8, escaped"),
    pytest.param('d="\ufffd-4\ufffd"', id="a negative length"),
    pytest.param('d="\ufffd99\ufffd3:::x"', id="a length beyond the end"),
    pytest.param("&" * 1000 + 'd="3:::x"', id="a thousand empty fields"),
    pytest.param("a=1&" * 1000 + 'd="3:::x"', id="a thousand fields"),
]


@pytest.mark.parametrize("body", BAD)
def test_d62_a_body_that_cannot_be_read_is_refused_once_and_harms_nobody(
    client: Client, journal: Transcript, caplog: pytest.LogCaptureFixture, body: str | bytes
) -> None:
    answer = send(client, body)
    assert (answer.code, answer.headers["content-type"]) == (400, "text/plain; charset=UTF-8")
    assert answer.body.startswith("bad payload: ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert client.sid not in caplog.text
    client.send("3:::unharmed")
    assert journal.next("message") == ("unharmed",)


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        pytest.param("d=3%3A%3A%3Aa+b%2B%22", ['a b+"'], id="a packet"),
        pytest.param("t=1&d=3:::x", ["x"], id="not escaped"),
        pytest.param(
            "d=" + quote_plus("\ufffd5\ufffd3:::a\ufffd6\ufffd3:::☃!"), ["a", "☃!"], id="a payload"
        ),
        pytest.param(
            "d=" + quote_plus("\ufffd7\ufffd3:::a\r\nb\ufffd5\ufffd3:::c"),
            ["a\nb", "c"],
            id="a line end that the browser made two characters of",
        ),
    ],
)
def test_clients_before_0_8_6_send_the_payload_itself(
    client: Client, journal: Transcript, body: str, texts: list[str]
) -> None:
    answer = send(client, body)
    assert (answer.code, answer.body) == (200, "1")
    for text in texts:
        assert journal.next("message") == (text,)


def test_d54_a_body_cut_at_any_byte_gives_nothing_that_was_not_said(
    client: Client, journal: Transcript
) -> None:
    body = JSONPPolling.body_of("3:::ñ💩")
    for cut in range(len(body)):
        assert send(client, body[:cut]).code == 400
    assert send(client, body).code == 200
    journal.next("message", "ñ💩")
    assert len(journal.all("message")) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param("d=" + "%" * 10_000, 400, id="refused"),
        pytest.param('d="' + "\ufffd3\ufffd8::" * 1_000 + '"', 200, id="more than one turn"),
    ],
)
def test_a_body_is_taken_apart_once(
    client: Client, monkeypatch: pytest.MonkeyPatch, body: str, code: int
) -> None:
    """Where it is answered from the event loop, and then by a task after all."""
    taken: list[int] = []
    served = jsonp_polling.JSONPPolling
    unwrap = served.unwrap

    def counting(self: Any, body: bytes, request: Request) -> str:
        taken.append(len(body))
        return unwrap(self, body, request)

    monkeypatch.setattr(served, "unwrap", counting)
    assert send(client, body).code == code
    assert taken == [len(body.encode())]
