"""Requests and answers between workers: as they were, whatever is in them."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockio.exceptions import PacketError
from sockio.http.forwarding import frames
from sockio.http.forwarding.frames import (
    NUMBER,
    head_of_answer,
    head_of_request,
    read_answer,
    read_request,
)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/socket.io/",
    "SERVER_NAME": "x",
    "wsgi.url_scheme": "https",
}


@given(st.dictionaries(TEXT.map("HTTP_".__add__), TEXT), st.binary())
def test_a_request_comes_as_it_was(headers: dict[str, str], body: bytes) -> None:
    environ = {**ENVIRON, **headers, "wsgi.input": object(), "gunicorn.socket": "no header"}
    place, read, rest = read_request(NUMBER.pack(7) + head_of_request("chat#2", environ) + body)
    assert read == {**ENVIRON, **headers}
    assert (place, rest) == ("chat#2", body)


def test_what_is_in_no_header_does_not_travel() -> None:
    environ = {**ENVIRON, "HTTP_X": "a\0b", "HTTP_Y": "", "HTTP_Z": 3}
    _, read, _ = read_request(NUMBER.pack(7) + head_of_request("", environ))
    assert read == {**ENVIRON, "HTTP_X": "ab", "HTTP_Y": ""}
    del environ["wsgi.url_scheme"]
    _, read, _ = read_request(NUMBER.pack(7) + head_of_request("", environ))
    assert read["wsgi.url_scheme"] == "http"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 12,
        struct.pack(">IHII", 1, 0, 5, 5) + b"ab",
        struct.pack(">IHII", 1, 0, 3, 3) + b"A\0B" + b"a\0b",
        struct.pack(">IHII", 1, 0, 1, 2) + b"\xff\xff\xff",
    ],
)
def test_what_is_no_request_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(PacketError):
        read_request(data)


def test_an_answer_comes_as_it_was() -> None:
    headers = (("Content-Type", "text/plain"), ("Set-Cookie", "a=b; c"), ("Connection", "close"))
    answer = read_answer(b"..." + head_of_answer("400 Bad Request", headers) + b"body\n\n", 3)
    assert answer.head.status == "400 Bad Request"
    assert answer.headers() == [*headers[:2], ("Content-Length", "6"), headers[2]]
    assert answer.closes
    assert answer.body == b"body\n\n"
    for data in (b"200 OK", b"200 OK\nContent-Type\n\n"):
        with pytest.raises(PacketError):
            read_answer(data, 0)


def test_what_clients_make_up_is_not_remembered() -> None:
    for number in range(1000):
        name = f"HTTP_{number}_" + "X" * 10_000
        data = NUMBER.pack(7) + head_of_request("", {**ENVIRON, name: "", f"HTTP_Y{number}": ""})
        assert name in read_request(data)[1]
        headers = (("Access-Control-Allow-Origin", f"http://{number}" + "x" * 10_000),)
        read_answer(head_of_answer("200 OK", headers), 0)
        read_answer(head_of_answer("200 OK", (("X", str(number)),)), 0)
        data = NUMBER.pack(7) + head_of_request("", {**ENVIRON, f"HTTP_{number}": ""})
        read_request(data)
    kept = (frames._names, frames._names_read, frames._answers, frames._answers_read)
    for remembered in kept:
        assert 0 < len(remembered) <= frames.REMEMBERED
        assert max(len(str(key)) for key in remembered) < 2 * frames.SHORT
