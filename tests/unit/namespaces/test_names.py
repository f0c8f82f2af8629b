"""Names that clients make up: of events, of namespaces, of headers, of origins. They are refused
beyond a length, and remembered nowhere."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sockio import BaseNamespace, UsageError, on
from sockio.config.origins import is_allowed
from sockio.namespaces.handlers import KEPT, LONGEST, handlers_of
from sockio.protocol.packet import MAX_NAME, MAX_QUERY
from sockio.server.fast_http import reader

from ..conftest import MakeHouse


class Plain(BaseNamespace):
    def on_say(self) -> str:
        return "said"

    def on_a_b_c_d_e_f_g_h_i_j_k(self) -> str:
        return "one"


class CatchAll(BaseNamespace):
    @on("*")
    def anything(self, name: str, *args: Any) -> int:
        return len(name)


@pytest.fixture
def kept() -> Iterator[Callable[[], int]]:
    """Bytes that are reachable more than at the beginning."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]

    def measure() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    yield measure
    tracemalloc.stop()


# ---- how long


@pytest.mark.parametrize("cls", [Plain, CatchAll])
def test_the_name_of_an_event_has_a_bound(house: MakeHouse, cls: type[BaseNamespace]) -> None:
    client = house({"/s": cls}).client("/s")
    longest = '5:1+:/s:{"name":"' + "x" * MAX_NAME + '"}'
    (answer,) = client.sends(longest)
    assert answer.startswith("6::/s:1+[")
    assert "invalid_packet" not in answer
    (answer,) = client.sends(longest.replace("xx", "xxx", 1))
    assert answer.startswith('6::/s:1+[{"error":"invalid_packet"')
    assert len(answer) < 200
    assert client.socket.connected


@pytest.mark.parametrize(
    "kind", ["1::{}", "0::{}", "3::{}:text", "4::{}:1", '5:1+:{}:{{"name":"a"}}']
)
def test_the_name_of_a_namespace_has_a_bound(house: MakeHouse, kind: str) -> None:
    client = house({"": Plain}).client()
    answers = client.sends(kind.format("/" + "x" * MAX_NAME))
    assert answers == ["7::"]
    assert client.socket.bad_packets == 1


def test_the_query_of_a_connect_has_a_bound(house: MakeHouse) -> None:
    client = house({"/s": Plain, "/t": Plain}).client()
    assert client.sends("1::/s:?" + "x" * (MAX_QUERY - 1)) == ["1::/s"]
    assert len(client["/s"].qs) == MAX_QUERY
    assert client.sends("1::/t:?" + "x" * MAX_QUERY) == ["7::/t"]
    assert "/t" not in client.socket


def test_what_clients_would_refuse_is_not_sent(house: MakeHouse) -> None:
    client = house({"/s": Plain}).client("/s")
    with pytest.raises(UsageError, match="may have 1000 characters"):
        client["/s"].emit("x" * (MAX_NAME + 1))
    assert client["/s"].emit("x" * MAX_NAME)


# ---- what is remembered


@pytest.mark.alone
@pytest.mark.parametrize("cls", [Plain, CatchAll])
def test_names_of_events_leave_nothing(
    house: MakeHouse, kept: Callable[[], int], cls: type[BaseNamespace]
) -> None:
    client = house({"/s": cls}, log_lines=1).client("/s")
    client.sends('5::/s:{"name":"first"}')
    before = kept()
    for number in range(300):
        client.sends(f'5::/s:{{"name":"{number}{"x" * (MAX_NAME - 10)}"}}')
        client.sends(f'5::/s:{{"name":"name_{number}"}}')
    assert kept() - before < 30_000
    table = handlers_of(cls, BaseNamespace)
    assert not table._resolved.keys() - {"say"}


@pytest.mark.alone
def test_names_of_namespaces_leave_nothing(house: MakeHouse, kept: Callable[[], int]) -> None:
    client = house({"/s": Plain}, log_lines=1).client("/s")
    client.sends("1::/first", "3::/first:x", "0::/first")
    before = kept()
    for number in range(300):
        name = f"/{number}{'x' * 900}"
        client.sends(f"1::{name}", f"3::{name}:x", f"5:1+:{name}:" + '{"name":"a"}', f"0::{name}")
    assert kept() - before < 30_000


def test_only_spellings_that_find_a_method_are_remembered_and_only_so_many() -> None:
    table = handlers_of(Plain, BaseNamespace)
    for number in range(2 * KEPT):
        marks = [" " if number & 1 << bit else "_" for bit in range(11)]
        name = "".join(
            f"{letter}{mark}" for letter, mark in zip("abcdefghijk", marks, strict=True)
        )[:-1]
        assert table.event(name) == ("on_a_b_c_d_e_f_g_h_i_j_k", False)
    assert len(table._resolved) <= KEPT
    assert max(map(len, table._resolved)) <= LONGEST


def test_names_of_headers_are_remembered_only_where_they_are_short() -> None:
    before = set(reader._KEYS)
    for name in (b"x_" + b"y" * 1000, b"x-" + b"y" * 1000):
        reader._key_of(name)
    assert all(len(name) <= 60 for name in set(reader._KEYS) - before)


@pytest.mark.alone
@pytest.mark.parametrize(
    "header", ["HTTP_ORIGIN", "HTTP_REFERER", "HTTP_HOST", "HTTP_X_FORWARDED_HOST"]
)
def test_origins_leave_nothing(kept: Callable[[], int], header: str) -> None:
    def ask(number: int) -> None:
        environ = {"wsgi.url_scheme": "http", "HTTP_HOST": "a", "HTTP_ORIGIN": "http://a.example"}
        if header == "HTTP_REFERER":
            del environ["HTTP_ORIGIN"]
        environ[header] = f"http://{number}.example/{'x' * 60_000}"
        assert not is_allowed(None, environ)
        environ[header] = f"http://{number}{'x' * 60_000}.example/"
        assert not is_allowed(None, environ)

    ask(0)
    before = kept()
    for number in range(1, 60):
        ask(number)
    # Of 59 times 60 kB nothing is left.
    assert kept() - before < 100_000
