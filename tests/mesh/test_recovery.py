"""The setting ``recovery`` where several workers serve: who comes back to another begins anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support.engine_client import EngineWire
from ..support.raw_http import get
from ..support.raw_websocket import RawWebSocket
from ..support.workers import Wire, Worker, Workers

TOKEN = "a-token-of-a-page-0001"


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    some = Workers()
    some.start(2, recovery=60)
    yield some
    some.close()


def come(worker: Worker) -> RawWebSocket:
    answer = get(worker.port, f"/socket.io/1/?recovery={TOKEN}")
    wire = RawWebSocket(worker.port, answer.body.split(":")[0])
    assert wire.hear() == "1::"
    return wire


def said(text: str) -> str:
    return f'5:::{{"name":"said","args":["{text}"]}}'


def test_an_old_client_hears_nothing_twice(workers: Workers) -> None:
    first, second = workers.all
    talker = Wire(first)
    at_first = come(first)
    at_first.reset()
    first.find("disconnected websocket.*transport close")
    # Its loss is known there, and what it misses would be kept.
    at_second = come(second)
    talker.ask("say", "once")
    assert at_second.hear() == said("once")
    at_second.reset()
    second.find("disconnected websocket.*transport close")
    again = come(first)
    talker.ask("say", "then")
    assert again.hear() == said("then")
    # It is the only one of its token, wherever it comes next.
    elsewhere = come(second)
    assert again.hear() == "0::"
    talker.ask("say", "last")
    assert elsewhere.hear() == said("last")
    for each in (again, elsewhere, talker.wire):
        each.close()


def test_a_later_client_begins_anew(workers: Workers) -> None:
    first, second = workers.all
    talker = Wire(second)
    wire = EngineWire(first.port)
    told = wire.join()
    pid = told.split('"pid":"')[1].split('"')[0]
    talker.ask("say", "once")
    offset = wire.hear().rsplit('"', 2)[1]
    wire.reset()
    first.find(f"{wire.sid[:6]}.*transport close")
    wire = EngineWire(second.port)
    wire.say(f'40{{"pid":"{pid}","offset":"{offset}"}}')
    told = wire.hear()
    assert pid not in told
    assert told.split('"sid":"')[1][:4] == talker.name[:4]
    talker.ask("say", "then")
    assert wire.hear().startswith('42["said","then"')
    for each in (wire, talker.wire):
        each.close()
