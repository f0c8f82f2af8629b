"""A session is asked for where it was made: by its middleware, through what is around that one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sockio import SocketIOMiddleware, UsageError

from ..support.engine_client import EngineWire, packets_of
from ..support.raw_http import Answer, Connection, get, post
from ..support.raw_websocket import frame, upgrade_request
from ..support.workers import Worker, Workers

KEY = {"X-Key": "key"}


@pytest.fixture(params=[(), ("http", "detach")], ids=["fast", "pywsgi"])
def workers(request: pytest.FixtureRequest) -> Iterator[list[Worker]]:
    """Two whose middleware is behind a guard, and unseen; the second has met no request yet."""
    some = Workers()
    yield some.start(2, guarded=True, without=list(request.param))
    some.close()


def guarded_session(worker: Worker) -> str:
    """The query of a request for a new session."""
    answer = get(worker.port, "/socket.io/?EIO=4&transport=polling", KEY)
    return f"?EIO=4&transport=polling&sid={json.loads(answer.body[1:])['sid']}"


def is_unknown(answer: Answer) -> bool:
    return answer.code == 400 and json.loads(answer.body)["code"] == 1


def is_refused(answer: Answer) -> bool:
    """By the layer that asks for a key."""
    return answer.code == 401 or is_unknown(answer)


def who(worker: Worker, path: str) -> Any:
    """Which process says that it has the session."""
    assert post(worker.port, path, '421["who"]', KEY).code == 200
    packets = packets_of(4, get(worker.port, path, KEY).body)
    return json.loads(str(packets[-1])[3:])[0][0]


def test_what_is_around_it_sees_requests_for_other_workers(workers: list[Worker]) -> None:
    owner, other = workers
    path = f"/socket.io/{guarded_session(owner)}"
    # Before and after the other one knows what it has inside: the layer's own answer, and that the
    # session is unknown.
    for _ in range(2):
        assert is_refused(post(other.port, path, "40"))
        assert is_refused(get(other.port, path))
        with Connection(other.port) as connection:
            upgrade = upgrade_request(path.replace("polling", "websocket"), other.port)
            connection.send(upgrade + frame(1, "2probe"))
            assert is_refused(connection.answer())
        assert get(other.port, "/socket.io/?EIO=4&transport=polling").code == 401
        guarded_session(other)
    assert post(owner.port, path, "40", KEY).code == 200
    assert who(owner, path) == owner.pid
    assert who(other, path) == owner.pid


def test_who_is_let_past_it_is_answered_at_once(workers: list[Worker]) -> None:
    owner, other = workers
    path = f"/socket.io/{guarded_session(owner)}"
    assert post(other.port, path, "40", KEY).code == 200
    assert who(other, path) == owner.pid


@pytest.mark.parametrize("workers", [()], indirect=True)
def test_a_session_of_another_middleware_is_unknown(workers: list[Worker]) -> None:
    owner, other = workers
    query = guarded_session(owner)
    for worker in (other, owner, other):
        assert is_unknown(post(worker.port, f"/open/socket.io/{query}", "40", KEY))
        # Which has now a session of its own.
        assert get(worker.port, "/open/socket.io/?EIO=4&transport=polling").code == 200
    path = f"/socket.io/{query}"
    assert post(other.port, path, "40", KEY).code == 200
    # One that has ended is unknown, too, whoever is asked.
    assert post(other.port, path, "1", KEY).code == 200
    for worker in workers:
        assert is_unknown(get(worker.port, path, KEY))


@pytest.mark.parametrize("workers", [()], indirect=True)
def test_what_is_said_in_one_is_heard_in_another(workers: list[Worker]) -> None:
    """What a server has made, which serves nobody, does not stand in the way."""
    wires = [EngineWire(worker.port, headers=KEY) for worker in workers]
    for wire in wires:
        wire.join()
    for listener, talker in (wires, wires[::-1]):
        talker.say('42["say","hello"]')
        for wire in (talker, listener):
            assert wire.hear() == '42["said","hello"]'
    for wire in wires:
        wire.close()


@pytest.mark.parametrize("tenants", ["named", "unnamed"])
def test_middlewares_that_requests_make_are_not_taken_for_each_other(tenants: str) -> None:
    """Each worker makes them in another order."""
    some = Workers()
    try:
        first, second = some.start(2, tenants=tenants)
        wires = [
            EngineWire(worker.port, headers={"X-Tenant": tenant})
            for worker, tenant in ((first, "a"), (second, "b"), (second, "a"), (first, "b"))
        ]
        for wire in wires:
            wire.join()
        for number, wire in enumerate(wires):
            wire.say(f'42["say",{number}]')
        heard = [[wire.hear() for _ in range(2 if tenants == "named" else 1)] for wire in wires]
        said = [[int(json.loads(each[2:])[1]) for each in words] for words in heard]
        mates = [[0, 2], [1, 3], [0, 2], [1, 3]]
        assert [sorted(each) for each in said] == (
            mates if tenants == "named" else [[0], [1], [2], [3]]
        )
        for wire in wires:
            # Nothing else has come before the answer.
            wire.say('421["who"]')
            assert json.loads(wire.hear()[3:])[0][0] in (first.pid, second.pid)
            wire.close()
        if tenants == "unnamed":
            first.find("was made while a request was answered")
        else:
            assert "while a request was answered" not in first.output
    finally:
        some.close()


def test_two_middlewares_of_one_process_may_not_have_one_name(tmp_path: Path) -> None:
    def named(group: str, resource: str = "socket.io") -> SocketIOMiddleware:
        mesh = str(tmp_path / "m")
        return SocketIOMiddleware(lambda *args: [], {}, mesh=mesh, group=group, resource=resource)

    first, second = named("a"), named("a", "other")
    first.join()
    with pytest.raises(UsageError, match="give one of them another name"):
        second.join()
    first.registry.close_all()
