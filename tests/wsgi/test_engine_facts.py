"""What the reference does on the wire and no other file here has: one row for each fact."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from sockio import BaseNamespace, ConnectionRefused, Reason

from ..support.engine_client import EngineClient, EngineSession, EngineWire, body_of
from ..support.raw_http import Connection
from ..support.raw_websocket import TEXT, frame, upgrade_request
from ..support.servers import Served
from ..support.transcript import PATIENCE, Transcript

Open = Callable[..., EngineClient]


@pytest.fixture
def journal() -> Transcript:
    return Transcript("server")


@pytest.fixture
def talk(journal: Transcript) -> type[BaseNamespace]:
    class Talk(BaseNamespace):
        def recv_connect(self) -> None:
            self.emit("welcome")

        def recv_disconnect(self, reason: str) -> None:
            journal.add("disconnect", self.ns_name, reason)

        def on_echo(self, *args: Any) -> tuple[Any, ...]:
            return args

        def on_tell(self, *args: Any) -> None:
            journal.add("told", *args)

        def on_null(self) -> tuple[None]:
            return (None,)

    return Talk


@pytest.fixture
def client(engine: Open, talk: type[BaseNamespace]) -> EngineClient:
    """In the global namespace, whose welcome has been heard."""
    client = engine({"": talk, "/chat": talk})
    client.handshake()
    if client.revision == 4:
        client.post("40")
    connected, welcome = client.poll().packets
    assert connected.startswith("40")
    assert welcome == '42["welcome"]'
    return client


def ended(client: EngineClient) -> None:
    assert not client.lives
    answer = client.request(client.url)
    assert (answer.status_code, answer.json["code"]) == (400, 1)


# ---- 1: requests


def test_an_origin_with_characters_that_none_has(engine: Open) -> None:
    client = engine()
    url = f"/?EIO={client.revision}&transport=polling"
    answer = client.request(url, headers={"Origin": "http://localhost\x7f"})
    assert (answer.status_code, answer.json["code"]) == (400, 3)
    assert answer.headers["X-Sockio-Refusal"] == "bad-origin"


@pytest.mark.parametrize("left", ["websocket", "xhr-polling"])
def test_a_transport_that_is_not_offered(
    serve: Callable[..., Served], talk: type[BaseNamespace], left: str
) -> None:
    server = serve(namespaces={"": talk}, transports=[left])
    if left == "websocket":
        with Connection(server.port) as connection:
            answer = connection.ask("GET", "/socket.io/?EIO=4&transport=polling")
        assert (answer.code, json.loads(answer.body)["code"]) == (400, 0)
        with EngineWire(server.port) as wire:
            assert wire.told["upgrades"] == []
        return
    session = EngineSession(server.port, 4)
    assert session.told["upgrades"] == []
    for path in (session.path, session.base):
        path = path.replace("polling", "websocket")
        with Connection(server.port) as connection:
            connection.send(upgrade_request(path, server.port))
            answer = connection.answer()
        assert (answer.code, json.loads(answer.body)["code"]) == (400, 0)
    session.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("EIO=5", "EIO='5': the client is socket.io-client of a generation that is not known"),
        ("EIO=2", "EIO='2': the client is socket.io-client 1.x"),
        ("EIO=%34", "EIO='%34' is written with escapes"),
        ("EIO=4&EIO=4", "EIO is there 2 times"),
    ],
)
def test_the_log_says_what_is_wrong_with_the_revision(
    serve: Callable[..., Served],
    talk: type[BaseNamespace],
    caplog: pytest.LogCaptureFixture,
    query: str,
    said: str,
) -> None:
    server = serve(namespaces={"": talk})
    with Connection(server.port) as connection:
        answer = connection.ask("GET", f"/socket.io/?{query}&transport=polling")
    assert (answer.code, json.loads(answer.body)["code"]) == (400, 5)
    assert said in caplog.text


@pytest.mark.parametrize("query", ["EIO=2", "EIO=5", "EIO=x", "x=EIO"])
def test_a_revision_that_is_not_served_is_refused_before_the_101(
    serve: Callable[..., Served], talk: type[BaseNamespace], query: str
) -> None:
    server = serve(namespaces={"": talk})
    with Connection(server.port) as connection:
        path = f"/socket.io/?{query}&transport=websocket"
        connection.send(upgrade_request(path, server.port))
        answer = connection.answer()
    assert (answer.code, json.loads(answer.body)["code"]) == (400, 5)
    assert len(server.registry) == 0


@pytest.mark.parametrize("sid", ["nobody", "__proto__", "constructor", "%00", "a" * 5000])
def test_an_unknown_session_is_refused_before_the_101(
    serve: Callable[..., Served], talk: type[BaseNamespace], sid: str
) -> None:
    server = serve(namespaces={"": talk})
    with Connection(server.port) as connection:
        path = f"/socket.io/?EIO=4&transport=websocket&sid={sid}"
        connection.send(upgrade_request(path, server.port))
        answer = connection.answer()
    assert (answer.code, json.loads(answer.body)["code"]) == (400, 1)


@pytest.mark.parametrize("without", ["", "http"])
def test_an_origin_is_asked_for_before_a_session_goes_over(
    serve: Callable[..., Served], without: str
) -> None:
    server = serve(namespaces={"": BaseNamespace}, origins=["https://a.example"], without=without)
    session = EngineSession(server.port, 4)
    with Connection(server.port) as connection:
        path = session.path.replace("polling", "websocket")
        connection.send(upgrade_request(path, server.port, {"Origin": "https://b.example"}))
        answer = connection.answer()
    assert (answer.code, json.loads(answer.body)["code"]) == (403, 4)
    with session.try_websocket() as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"
    session.close()


# ---- 2: packets and payloads


def test_an_empty_body_ends_the_session(client: EngineClient, journal: Transcript) -> None:
    assert client.post_body("").status_code == 400
    assert journal.next("disconnect") == ("", Reason.PARSE_ERROR)
    ended(client)


def test_an_empty_binary_body_is_none_of_eio_3_and_no_body_of_eio_4(client: EngineClient) -> None:
    answer = client.post_body("", **{"Content-Type": "application/octet-stream"})
    assert answer.status_code == (200 if client.revision == 3 else 400)
    assert client.lives is (client.revision == 3)


@pytest.mark.parametrize("revision", [3, 4])
def test_base64_is_taken_wherever_text_is(
    serve: Callable[..., Served], talk: type[BaseNamespace], journal: Transcript, revision: int
) -> None:
    server = serve(namespaces={"": talk})
    with EngineWire(server.port, revision=revision) as wire:
        wire.join()
        wire.say('451-["tell",{"_placeholder":true,"num":0}]')
        wire.say("bAQID" if revision == 4 else "b4AQID")
        assert journal.next("told") == (b"\x01\x02\x03",)


@pytest.mark.parametrize("data", ["", "7", "x", "b!", "bAQI"])
def test_a_frame_that_is_no_packet_ends_the_session(
    serve: Callable[..., Served], talk: type[BaseNamespace], journal: Transcript, data: str
) -> None:
    server = serve(namespaces={"": talk})
    with EngineWire(server.port) as wire:
        wire.join()
        assert wire.hear() == '42["welcome"]'
        wire.say(data)
        assert wire.closing() == 1000
    assert journal.next("disconnect") == ("", Reason.PARSE_ERROR)


def test_a_message_that_is_too_large(
    serve: Callable[..., Served], talk: type[BaseNamespace], journal: Transcript
) -> None:
    server = serve(namespaces={"": talk}, max_payload=1000)
    with EngineWire(server.port) as wire:
        wire.join()
        assert wire.hear() == '42["welcome"]'
        packet = '421["echo","' + "x" * (1000 - 14) + '"]'
        wire.say(packet)
        assert wire.hear() == '431["' + "x" * (1000 - 14) + '"]'
        wire.say(packet + " ")
        goodbye = wire.read_frame()
        # The code is all that there is to read: the client's own tests look at that.
        assert (goodbye.code, goodbye.payload[2:]) == (1009, b"")
        assert wire.at_end()
    assert journal.next("disconnect") == ("", Reason.TRANSPORT_ERROR)


@pytest.mark.parametrize("without", ["", "http"])
def test_a_body_in_chunks_is_counted_as_it_is_read(
    serve: Callable[..., Served], talk: type[BaseNamespace], journal: Transcript, without: str
) -> None:
    server = serve(namespaces={"": talk}, max_payload=10_000, without=without)
    session = EngineSession(server.port, 4)
    with Connection(server.port) as connection:
        head = f"POST {session.path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.send(head.encode() + (b"3e8\r\n" + b"4" * 1000 + b"\r\n") * 11 + b"0\r\n\r\n")
        assert connection.answer().code == 413
    assert journal.next("disconnect") == ("", Reason.TRANSPORT_ERROR)
    session.close()


# ---- 3: heartbeats and the end


def test_a_poll_that_is_held_when_the_client_is_given_up(
    client: EngineClient, journal: Transcript
) -> None:
    if client.revision == 4:
        held = client.poll()
        client.runtime.advance(25.2)
        assert held.packets == ["2"]
        held = client.poll()
        client.runtime.advance(20.2)
    else:
        held = client.poll()
        client.runtime.advance(45.2)
    assert held.packets == ["1"]
    assert journal.next("disconnect") == ("", Reason.PING_TIMEOUT)
    ended(client)


def test_heartbeats_by_polling(client: EngineClient) -> None:
    for _ in range(5):
        held = client.poll()
        client.runtime.advance(25.2)
        if client.revision == 4:
            assert held.packets == ["2"]
            assert client.post("3").text == "ok"
        else:
            assert client.post("2").text == "ok"
            assert held.packets == ["3"]
    assert client.lives


@pytest.mark.parametrize("without", ["", "http"])
@pytest.mark.parametrize("revision", [3, 4])
def test_a_poll_whose_connection_ends_is_the_end(
    serve: Callable[..., Served],
    talk: type[BaseNamespace],
    journal: Transcript,
    without: str,
    revision: int,
) -> None:
    server = serve(namespaces={"": BaseNamespace, "/chat": talk}, without=without)
    session = EngineSession(server.port, revision)
    session.post("40/chat,")
    assert len(session.get()) == 2
    session.gets.request("GET", session.path)
    # Answered when the poll has been read, which was sent before.
    session.post("6")
    session.gets.close()
    assert journal.next("disconnect") == ("/chat", Reason.TRANSPORT_CLOSE)
    session.posts.close()


def test_the_server_ends_a_session_whose_poll_is_held(client: EngineClient) -> None:
    held = client.poll()
    client.socket.disconnect()
    client.runtime.settle()
    assert held.packets == ["41"]
    assert client.poll().packets == ["1"]
    ended(client)


# ---- 4: from polling to a websocket


@pytest.mark.parametrize("revision", [3, 4])
def test_while_a_websocket_is_tried_out_every_poll_is_sent_home(
    serve: Callable[..., Served], talk: type[BaseNamespace], revision: int
) -> None:
    session = EngineSession(serve(namespaces={"": BaseNamespace}).port, revision)
    with session.try_websocket() as wire:
        wire.say("2probe")
        assert wire.hear() == "3probe"
        assert session.get() == ["6"]
        assert session.get() == ["6"]
        wire.say("5")
    session.close()


@pytest.mark.parametrize("revision", [3, 4])
def test_a_poll_that_is_held_when_the_session_goes_over(
    serve: Callable[..., Served], revision: int
) -> None:
    """The reference says "1" to it, of the transport; to a client that is the session's end."""
    session = EngineSession(serve(namespaces={"": BaseNamespace}).port, revision)
    held = gevent.spawn(session.get)
    session.post("6")
    with session.try_websocket() as wire:
        wire.say("5")
        assert held.get(timeout=PATIENCE) == ["6"]
    session.close()


# ---- 5: scripts


def test_scripts_for_every_revision(engine: Open) -> None:
    client = engine()
    client.headers["Referer"] = "http://localhost/"
    answer = client.handshake("&j=0")
    assert answer.headers["Content-Type"] == "text/javascript; charset=UTF-8"
    assert answer.text.startswith('___eio[0]("')


# ---- 6: Socket.IO


@pytest.mark.parametrize("packet", ["40/chat", "40/chat,"])
def test_a_namespace_with_a_comma_and_without(client: EngineClient, packet: str) -> None:
    client.post(packet)
    connected, welcome = client.poll().packets
    assert connected.startswith("40/chat,")
    # What its recv_connect sends comes behind, in the same answer.
    assert welcome == '42/chat,["welcome"]'


def test_a_query_belongs_to_the_name_or_not(client: EngineClient) -> None:
    client.post("40/chat?a=b,")
    (answer, *_) = client.poll().packets
    if client.revision == 4:
        assert answer == '44/chat?a=b,{"message":"Invalid namespace"}'
    else:
        assert answer == "40/chat,"


def test_an_event_for_a_namespace_that_was_left(client: EngineClient, journal: Transcript) -> None:
    client.post("40/chat,")
    client.poll()
    client.post("41/chat,")
    assert journal.next("disconnect") == ("/chat", Reason.NAMESPACE_CLIENT)
    client.post('42/chat,["tell"]')
    assert journal.next("disconnect") == ("", Reason.FORCED_CLOSE)
    ended(client)


def test_exactly_null(client: EngineClient) -> None:
    client.post('421["null"]')
    assert client.poll().packets == ["431[null]"]


def test_a_placeholder_in_a_plain_event_is_plain(client: EngineClient, journal: Transcript) -> None:
    client.post('42["tell",{"_placeholder":true,"num":0}]')
    assert journal.next("told") == ({"_placeholder": True, "num": 0},)


def test_an_attachment_that_is_meant_twice(client: EngineClient, journal: Transcript) -> None:
    there = '{"_placeholder":true,"num":0}'
    client.post(f'451-["tell",{there},[{there}]]', "bAQ==" if client.revision == 4 else "b4AQ==")
    assert journal.next("told") == (b"\x01", [b"\x01"])


def test_bytes_in_an_ack_of_the_client(
    engine: Open, talk: type[BaseNamespace], journal: Transcript
) -> None:
    class Asking(talk):  # type: ignore[misc, valid-type]
        def recv_connect(self) -> None:
            self.emit("ask", callback=lambda *got: journal.add("answer", *got))

    client = engine({"": Asking})
    client.handshake()
    if client.revision == 4:
        client.post("40")
    assert client.poll().packets[-1] == '421["ask"]'
    client.post(
        '461-1["x",{"_placeholder":true,"num":0}]', "bAQID" if client.revision == 4 else "b4AQID"
    )
    assert journal.next("answer") == ("x", b"\x01\x02\x03")


def test_a_gate_that_does_not_answer_lets_nobody_wait_for_ever(
    engine: Open, talk: type[BaseNamespace]
) -> None:
    """Neither the client nor who is in another namespace."""
    door = gevent.event.Event()

    class Slow(talk):  # type: ignore[misc, valid-type]
        def recv_connect(self) -> None:
            door.wait()

    client = engine({"": Slow, "/chat": talk}, connect_timeout=10)
    client.handshake()
    if client.revision == 4:
        client.post("40")
    client.post('42["tell"]')
    assert client.poll().waiting
    client.runtime.advance(10.2)
    ended(client)
    door.set()
    client.runtime.settle()


def test_a_gate_that_raises_is_a_refusal_without_the_exception(
    engine: Open, talk: type[BaseNamespace]
) -> None:
    class Failing(talk):  # type: ignore[misc, valid-type]
        def recv_connect(self) -> None:
            raise KeyError("a secret of the server's")

    client = engine({"": talk, "/chat": Failing})
    client.handshake()
    if client.revision == 4:
        client.post("40")
    client.poll()
    client.post("40/chat,")
    (answer,) = client.poll().packets
    assert answer.startswith("44/chat,")
    assert "secret" not in answer
    assert client.lives


# ---- 8 and 10: EIO=3


class Old(EngineClient):
    revision = 3


@pytest.fixture
def old(engine: Open, talk: type[BaseNamespace]) -> Old:
    some = engine({"": talk})
    client = Old(some.app, some.registry, some.runtime)
    client.handshake()
    assert client.poll().packets == ["40", '42["welcome"]']
    return client


def test_lengths_count_what_javascript_counts(old: Old, journal: Transcript) -> None:
    assert old.post_body('14:42["tell","😀"]'.replace("14", "15")).text == "ok"
    assert journal.next("told") == ("😀",)
    assert old.post_body('13:42["tell","😀"]').status_code == 400


def test_clients_of_1_x_encode_twice(old: Old, journal: Transcript) -> None:
    twice = '42["tell","Grüße ☃"]'.encode().decode("latin-1")
    assert old.post(twice).text == "ok"
    assert journal.next("told") == ("Grüße ☃",)
    old.post('421["echo","ü"]')
    body = old.poll().answer.body
    assert body == body_of(3, '431["\\u00fc"]').encode()


@pytest.mark.parametrize("body", ["9:4", "x:4", "01:4", "0x1:4", " 1:4", "1", ":4", "1:4x"])
def test_lengths_that_are_none(old: Old, journal: Transcript, body: str) -> None:
    assert old.post_body(body).status_code == 400
    assert journal.next("disconnect") == ("", Reason.PARSE_ERROR)


def test_a_refusal_with_an_object_and_a_ping_with_data(
    engine: Open, talk: type[BaseNamespace]
) -> None:
    class Secret(BaseNamespace):
        def recv_connect(self) -> None:
            raise ConnectionRefused("no", {"code": 7})

    some = engine({"": talk, "/secret": Secret})
    client = Old(some.app, some.registry, some.runtime)
    client.handshake()
    client.poll()
    client.post("40/secret?token=x,")
    assert client.poll().packets == ['44/secret,{"code":7}']
    client.post("2hello")
    assert client.poll().packets[0][0] == "3"
    assert client.lives


@pytest.mark.parametrize("revision", [3, 4])
def test_two_messages_in_one_segment_keep_their_order(
    serve: Callable[..., Served], talk: type[BaseNamespace], revision: int
) -> None:
    with EngineWire(serve(namespaces={"": BaseNamespace, "/c": talk}).port, revision=revision) as w:
        w.join()
        w.send(b"".join(frame(TEXT, each) for each in ("40/c,", '42/c,1["echo"]', "41/c,")))
        assert w.hear().startswith("40/c,")
        assert w.hear() == '42/c,["welcome"]'
        assert w.hear() == "43/c,1[]"
