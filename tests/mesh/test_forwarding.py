"""Requests that reach a worker and are for a session of another: no sticky sessions."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import quote

import pytest

from ..support.engine_client import EngineSession, EngineWire, body_of, packets_of
from ..support.raw_http import Connection, get, handshake, post
from ..support.raw_websocket import RawWebSocket, frame, upgrade_request
from ..support.tls import Certificate
from ..support.workers import Worker, Workers

REVISIONS = (3, 4)


@pytest.fixture(params=["fast", "pywsgi"])
def two(request: pytest.FixtureRequest) -> list[Worker]:
    """The owner of the sessions, and another."""
    found: list[Worker] = request.getfixturevalue(
        "pair" if request.param == "fast" else "slow_pair"
    )
    return found


class Session(EngineSession):
    """One whose requests go to whatever worker is told. Closed with its test."""

    opened: ClassVar[list[Session]] = []

    def __init__(self, port: int, revision: int, **options: Any) -> None:
        super().__init__(port, revision, **options)
        self.opened.append(self)

    def go_to(self, worker: Worker) -> None:
        self.close()
        self.port = worker.port
        self.gets, self.posts = Connection(self.port, self.tls), Connection(self.port, self.tls)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while Session.opened:
        Session.opened.pop().close()


def acked(packets: list[Any]) -> Any:
    """What the one ack in a poll's answer says."""
    (packet,) = packets
    (value,) = json.loads(packet[packet.index("[") :])
    return value


@pytest.mark.parametrize("revision", REVISIONS)
def test_polls_and_posts_go_to_the_owner(two: list[Worker], revision: int) -> None:
    owner, other = two
    session = Session(owner.port, revision)
    session.go_to(other)
    for number in range(3):
        answer = session.post(f'42{number}["who"]')
        assert (answer.code, answer.body) == (200, "ok")
        pid, _ = acked(session.get())
        assert pid == owner.pid
    # A poll that waits, answered by what comes later over the other one.
    session.gets.request("GET", session.path)
    assert session.ask("POST", body_of(revision, '427["who"]')).code == 200
    answer = session.gets.answer()
    assert acked(packets_of(revision, answer.body))[0] == owner.pid
    session.close()


def test_a_client_may_leave_out_the_slash(two: list[Worker]) -> None:
    owner, _ = two
    session = Session(owner.port, 4)
    session.path = session.path.replace("/socket.io/?", "/socket.io?")
    for worker in two:
        session.go_to(worker)
        assert session.post('421["who"]').code == 200
        assert acked(session.get())[0] == owner.pid


def test_one_connection_asks_for_sessions_of_both_and_a_page(two: list[Worker]) -> None:
    owner, other = two
    mine, yours = Session(owner.port, 4), Session(other.port, 4)
    with Connection(owner.port) as connection:
        for _ in range(2):
            for session, worker in ((mine, owner), (yours, other)):
                assert connection.ask("POST", session.path, '421["who"]').body == "ok"
                answer = connection.ask("GET", session.path)
                assert acked(packets_of(4, answer.body))[0] == worker.pid
            assert connection.ask("GET", "/page").body == str(owner.pid)


def test_pipelined_requests_of_two_owners_are_answered_in_their_order(two: list[Worker]) -> None:
    owner, other = two
    mine, yours = Session(owner.port, 4), Session(other.port, 4)
    with Connection(owner.port) as connection:
        for session in (mine, yours):
            connection.request("POST", session.path, '421["who"]')
            connection.request("GET", session.path)
        connection.request("GET", "/page")
        for worker in (owner, other):
            assert connection.answer().body == "ok"
            assert acked(packets_of(4, connection.answer().body))[0] == worker.pid
        assert connection.answer().body == str(owner.pid)


def test_old_clients_poll_at_any_worker(two: list[Worker]) -> None:
    owner, other = two
    sid = handshake(owner.port)
    path = f"/socket.io/1/xhr-polling/{sid}"
    assert get(other.port, path).body == "1::"
    assert post(other.port, path, '5:1+::{"name":"who"}').body == "1"
    assert get(other.port, path).body.startswith(f"6:::1+[[{owner.pid},")
    path = path.replace("xhr", "jsonp")
    assert (
        post(other.port, f"{path}?i=0", "d=5%3A2%2B%3A%3A%7B%22name%22%3A%22who%22%7D").code == 200
    )
    script = get(other.port, f"{path}?i=0")
    assert script.body.startswith("io.j[0](")
    assert str(owner.pid) in script.body
    assert get(other.port, f"{path.replace('jsonp-polling', '')}?disconnect").code == 200
    assert get(owner.port, path.replace("jsonp", "xhr")).body.startswith("7:::1+0")


@pytest.mark.parametrize("transport", ["htmlfile", "xhr-multipart"])
def test_streams_come_from_the_owner(two: list[Worker], transport: str) -> None:
    owner, other = two
    sid = handshake(owner.port)
    with Connection(other.port) as stream:
        stream.request("GET", f"/socket.io/1/{transport}/{sid}")
        stream.read_until(b"1::")
        path = f"/socket.io/1/{transport}/{sid}"
        for number in range(3):
            packet = f'5:{number}+::{{"name":"who"}}'
            form = f"data={quote(packet)}" if transport == "xhr-multipart" else packet
            assert post(other.port, path, form).code == 200
            assert f"{owner.pid}".encode() in stream.read_until(b"]]")
    # Hung up: the owner knows at once.
    owner.find(f"{sid[:6]}.*(transport|closed|gone|end)")
    assert get(owner.port, f"/socket.io/1/xhr-polling/{sid}").body.startswith("7:::1+0")


def test_an_old_client_that_hangs_up_on_its_poll_loses_nothing(two: list[Worker]) -> None:
    owner, other = two
    sid, talker = handshake(owner.port), Session(other.port, 4)
    path = f"/socket.io/1/xhr-polling/{sid}"
    assert get(other.port, path).body == "1::"
    for number in range(5):
        waiting = Connection(other.port)
        waiting.request("GET", path)
        # It waits at the owner: what was sent behind it has been answered.
        assert waiting.sock.fileno() >= 0
        assert post(other.port, path, "2::").body == "1"
        waiting.reset()
        assert talker.post(f'42["say",{number}]').code == 200
        heard = get(other.port, path)
        assert f'{{"name":"said","args":[{number}]}}' in heard.body, heard


def test_a_later_client_that_hangs_up_on_its_poll_is_gone_at_once(two: list[Worker]) -> None:
    owner, other = two
    session = Session(owner.port, 4)
    session.go_to(other)
    session.gets.request("GET", session.path)
    assert session.post('42["who"]').code == 200
    session.gets.reset()
    owner.find(f"clos.*{session.sid[:6]}|{session.sid[:6]}.*clos")
    session.gets = Connection(other.port)
    assert session.ask().code == 400


def test_a_megabyte_in_pieces_arrives_whole(two: list[Worker]) -> None:
    owner, other = two
    session = Session(owner.port, 4)
    session.go_to(other)
    body = b'421["hear","%b"]' % (b"x" * 900_000)
    session.posts.send(
        f"POST {session.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    for at in range(0, len(body), 100_000):
        session.posts.send(body[at : at + 100_000])
    assert session.posts.answer().body == "ok"
    assert session.get() == ["431[900000]"]
    answer = session.posts.ask("POST", session.path, b"4" + b"x" * 1_000_001)
    assert answer.code == 413


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_session_goes_over_to_a_websocket_at_another_worker(
    two: list[Worker], revision: int
) -> None:
    owner, other = two
    session = Session(owner.port, revision)
    session.go_to(other)
    connection = Connection(other.port)
    # Frames that were sent with the request travel along.
    path = f"/socket.io/?EIO={revision}&transport=websocket&sid={session.sid}"
    connection.send(upgrade_request(path, other.port) + frame(1, "2probe"))
    assert connection.answer().code == 101
    wire = EngineWire.over(connection, revision)
    assert wire.hear() == "3probe"
    assert session.get() == ["6"]
    wire.say("5")
    wire.say('421["who"]')
    assert json.loads(wire.hear()[3:])[0][0] == owner.pid
    # Whoever passed it on has nothing to do with it any more.
    wire.say('422["hear","%s"]' % ("x" * 70_000))
    assert wire.hear() == "432[70000]"
    wire.close()


def test_an_old_websocket_opens_at_another_worker(two: list[Worker]) -> None:
    owner, other = two
    sid = handshake(owner.port)
    wire = RawWebSocket(other.port, sid)
    assert wire.hear() == "1::"
    wire.say('5:1+::{"name":"who"}')
    assert wire.hear().startswith(f"6:::1+[[{owner.pid},")
    wire.close()


def test_over_tls_the_websocket_is_relayed(workers: Workers, certificate: Certificate) -> None:
    owner, other = workers.start(
        2, certfile=str(certificate.certfile), keyfile=str(certificate.keyfile)
    )
    tls = certificate.client_context()
    session = Session(owner.port, 4, tls=tls)
    session.go_to(other)
    assert session.post('421["who"]').code == 200
    assert acked(session.get())[0] == owner.pid
    wire = session.try_websocket()
    wire.say("2probe")
    assert wire.hear() == "3probe"
    assert session.get() == ["6"]
    wire.say("5")
    wire.say('422["hear","%s"]' % ("x" * 500_000))
    assert wire.hear() == "432[500000]"
    wire.close()
    owner.find(f"{session.sid[:6]}.*clos")


# ---- what is refused from its head


UNWANTED = [
    ("POST", "/socket.io/1/nonsense/OLD", {}, 400),
    ("POST", "/socket.io/1/websocket/OLD", {}, 405),
    ("POST", "/socket.io/1/xhr-polling/OLD", {"Origin": "http://elsewhere.example"}, 403),
    ("POST", "/socket.io/1/xhr-polling/OLD?disconnect", {}, 200),
    ("POST", "/socket.io/?EIO=4&transport=nonsense&sid=NEW", {}, 400),
    ("POST", "/socket.io/?EIO=4&transport=polling&sid=NEW", {"Origin": "http://x.example"}, 403),
    ("PUT", "/socket.io/1/xhr-polling/OLD", {}, 405),
    ("GET", "/socket.io/?EIO=4&transport=nonsense&sid=NEW", {}, 400),
]


@pytest.mark.parametrize("without", [[], ["http", "detach"]], ids=["fast", "pywsgi"])
def test_a_body_that_nobody_wants_is_not_waited_for(workers: Workers, without: list[str]) -> None:
    owner, other = workers.start(2, without=without, origins=["http://page.example"])
    session, old = Session(owner.port, 4), handshake(owner.port)
    assert get(owner.port, f"/socket.io/1/xhr-polling/{old}").body == "1::"
    for method, path, headers, code in UNWANTED:
        path = path.replace("OLD", old).replace("NEW", session.sid)
        with Connection(other.port) as connection:
            lines = [f"{name}: {value}" for name, value in headers.items()]
            head = [
                f"{method} {path} HTTP/1.1",
                "Host: x",
                *lines,
                "Content-Length: 600000",
                "",
                "",
            ]
            connection.send("\r\n".join(head).encode() + b"the beginning of it")
            answer = connection.answer()
            assert (answer.code, answer.headers.get("connection")) == (code, "close"), path
            assert connection.at_end()


def test_websockets_from_other_workers_are_as_many_as_connections_may_be(workers: Workers) -> None:
    owner, other = workers.start(2, max_connections=2)
    olds = [handshake(owner.port) for _ in range(4)]
    first, second = [RawWebSocket(other.port, old) for old in olds[:2]]
    assert [first.hear(), second.hear()] == ["1::", "1::"]
    path = f"/socket.io/1/websocket/{olds[2]}"
    with Connection(other.port) as third:
        third.send(upgrade_request(path, other.port))
        answer = third.answer()
        assert (answer.code, answer.headers["x-sockio-refusal"]) == (503, "too-many-connections")
    # They count where they are, too: this one is let in when there is a place.
    late = Connection(owner.port)
    late.request("GET", "/page")
    first.close()
    assert late.answer().body == str(owner.pid)
    late.close()
    owner.find(f"{olds[0][:6]}.*disconnected websocket")
    fourth = RawWebSocket(other.port, olds[3])
    assert fourth.hear() == "1::"
    for each in (second, fourth):
        each.close()


# ---- owners that are not there


def test_an_owner_that_dies_answers_no_more(workers: Workers) -> None:
    owner, other = workers.start()
    session, old = Session(owner.port, 4), handshake(owner.port)
    assert get(other.port, f"/socket.io/1/xhr-polling/{old}").body == "1::"
    session.go_to(other)
    waiting = Connection(other.port)
    waiting.request("GET", f"/socket.io/1/xhr-polling/{old}")
    session.gets.request("GET", session.path)
    # Both wait: what was sent behind them has been answered.
    assert session.post('42["who"]').code == 200
    owner.send(signal.SIGKILL)
    try:
        answer = session.gets.answer()
    except EOFError:
        raise
    assert (answer.code, json.loads(answer.body)["code"]) == (400, 1)
    assert waiting.answer().body.startswith("7:::1+0")
    waiting.close()
    # Whoever comes later learns it at once.
    assert get(other.port, session.path).code == 400
    assert owner.wait() == -signal.SIGKILL
    other.find(r"worker \S{4} is gone")
    # Nobody keeps its name.
    (third,) = workers.start(1)
    assert len(list(workers.mesh.iterdir())) == 3
    assert get(third.port, session.path).code == 400


def test_an_owner_without_a_descriptor_loses_that_websocket_alone(workers: Workers) -> None:
    owner, other = workers.start()
    sid, session = handshake(owner.port), Session(owner.port, 4)
    session.go_to(other)
    session.post('421["who"]')
    assert acked(session.get())[0] == owner.pid
    usual = resource.prlimit(owner.pid, resource.RLIMIT_NOFILE)
    # What it has may stay.
    resource.prlimit(owner.pid, resource.RLIMIT_NOFILE, (3, usual[1]))
    with Connection(other.port) as connection:
        connection.send(upgrade_request(f"/socket.io/1/websocket/{sid}", other.port))
        assert connection.answer().code == 101
        assert connection.at_end()
    owner.find("no-descriptors")
    resource.prlimit(owner.pid, resource.RLIMIT_NOFILE, usual)
    # The two know each other as before, and what comes next has its own descriptor.
    session.post('422["who"]')
    assert acked(session.get())[0] == owner.pid
    for _ in range(2):
        wire = RawWebSocket(other.port, handshake(owner.port))
        assert wire.hear() == "1::"
        wire.close()


def test_an_owner_that_stands_still_is_503_and_then_back(workers: Workers) -> None:
    owner, other = workers.start()
    session = Session(owner.port, 4)
    session.go_to(other)
    session.post('421["who"]')
    assert acked(session.get())[0] == owner.pid
    owner.pause()
    answer = session.ask()
    assert answer.code == 503
    assert answer.headers["x-sockio-refusal"] == "worker-stuck"
    other.find("worker-stuck")
    owner.go_on()
    # To the client its transport has failed, as the reference's takes it: it handshakes anew. What
    # it had is over at the owner, too, when that comes to read of it.
    answer = get(other.port, session.path)
    while answer.code == 503:
        answer = get(other.port, session.path)
    assert (answer.code, json.loads(answer.body)["code"]) == (400, 1)
    session = Session(owner.port, 4)
    session.go_to(other)
    session.post('421["who"]')
    assert acked(session.get())[0] == owner.pid


def test_inventions_are_refused_where_they_arrive(pair: list[Worker]) -> None:
    owner, other = pair
    sid = Session(owner.port, 4).sid
    flipped = sid[:-1] + ("A" if sid[-1] != "A" else "B")
    for invented in (flipped, sid[:4] + "x" * 28, sid[:4], sid + "A", "____" + sid[4:]):
        answer = get(other.port, f"/socket.io/?EIO=4&transport=polling&sid={invented}")
        assert (answer.code, json.loads(answer.body)["code"]) == (400, 1), invented
