"""Sessions of clients since 1.0 that poll: what they say, what they hear, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from sockio import LATER, BaseNamespace, BroadcastMixin, ConnectionRefused, Reason, RoomsMixin

from ..support.engine_client import EngineClient
from ..support.transcript import Transcript
from ..support.wsgi_client import PollingClient

Open = Callable[..., EngineClient]


@pytest.fixture
def journal() -> Transcript:
    return Transcript("server")


@pytest.fixture
def chat(journal: Transcript) -> type[BaseNamespace]:
    class Chat(BaseNamespace, RoomsMixin, BroadcastMixin):
        def recv_connect(self, auth: dict[str, Any]) -> None:
            journal.add("connect", self.ns_name, auth)
            self.join("all")

        def recv_disconnect(self, reason: str) -> None:
            journal.add("disconnect", self.ns_name, reason)

        def on_echo(self, *args: Any) -> tuple[Any, ...]:
            return args

        def on_tell(self, *args: Any) -> None:
            journal.add("told", *args)

        def on_all(self, *args: Any) -> None:
            self.emit_to_room("all", "news", *args, include_self=True)

        def on_others(self, *args: Any) -> None:
            self.broadcast_event_not_me("news", *args)

        def on_ask(self, *args: Any) -> None:
            self.emit("question", *args, callback=lambda *got: journal.add("answer", *got))

        def on_later(self, packet: Any) -> object:
            journal.add("kept", self, packet)
            return LATER

        def on_leave(self) -> None:
            self.disconnect()

        def on_boom(self) -> None:
            raise KeyError("boom")

        def on_end(self) -> None:
            self.socket.disconnect()

        def recv_message(self, data: Any) -> None:
            journal.add("message", data)
            self.send(data)

    return Chat


@pytest.fixture
def client(engine: Open, chat: type[BaseNamespace]) -> EngineClient:
    return engine({"": chat, "/chat": chat}).open()


def heard(client: EngineClient) -> list[Any]:
    """What waits for the client, with one poll."""
    packets: list[Any] = client.poll().packets
    return packets


def ended(client: EngineClient) -> None:
    assert not client.lives
    answer = client.request(client.url)
    assert (answer.status_code, answer.json["code"]) == (400, 1)


# ---- namespaces


def test_the_global_namespace_is_asked_for_or_opens_by_itself(
    engine: Open, chat: type[BaseNamespace], journal: Transcript
) -> None:
    client = engine({"": chat})
    client.handshake()
    if client.revision == 4:
        assert client.poll().waiting
        client.post('40{"token":"x"}')
        assert journal.next("connect") == ("", {"token": "x"})
    else:
        assert heard(client) == ["40"]
        assert journal.next("connect") == ("", {})


def test_what_the_page_gives_with_its_connect(client: EngineClient, journal: Transcript) -> None:
    client.post('40/chat,{"token":"x"}' if client.revision == 4 else "40/chat?token=x&a=b,")
    (answer,) = heard(client)
    if client.revision == 4:
        name = client.socket.name_in("/chat")
        assert answer == f'40/chat,{{"sid":"{name}"}}'
        assert client.sid != name != client.socket.name_in("")
        expected = {"token": "x"}
    else:
        assert answer == "40/chat,"
        expected = {"token": "x", "a": "b"}
    assert journal.next("connect", "/chat") == ("/chat", expected)


def test_a_namespace_that_there_is_not(client: EngineClient) -> None:
    client.post("40/nowhere,")
    said = '{"message":"Invalid namespace"}' if client.revision == 4 else '"Invalid namespace"'
    assert heard(client) == [f"44/nowhere,{said}"]
    assert client.post("40/chat,").text == "ok"
    assert heard(client)[0].startswith("40/chat,")


@pytest.mark.parametrize("data", [None, {"why": [1]}, "words"])
def test_a_refusal_says_why(engine: Open, chat: type[BaseNamespace], data: Any) -> None:
    class Secret(BaseNamespace):
        def recv_connect(self) -> None:
            self.emit("never", "seen")
            raise ConnectionRefused("no way", data)

    client = engine({"": chat, "/secret": Secret}).open()
    client.post("40/secret,")
    (answer,) = heard(client)
    if client.revision == 4:
        more = {None: "", "words": ',"data":"words"'}.get(data if data != {"why": [1]} else "x")
        more = ',"data":{"why":[1]}' if more is None else more
        assert answer == f'44/secret,{{"message":"no way"{more}}}'
    else:
        assert answer == "44/secret," + {"None": '"no way"', "words": '"words"'}.get(
            str(data), '{"why":[1]}'
        )
    assert client.lives
    # It may try again.
    client.post("40/secret,")
    assert heard(client) == [answer]


def test_a_namespace_is_left_and_the_session_goes_on(
    client: EngineClient, journal: Transcript
) -> None:
    client.post("40/chat,")
    heard(client)
    client.post("41/chat,")
    assert journal.next("disconnect") == ("/chat", Reason.NAMESPACE_CLIENT)
    client.post("41")
    assert journal.next("disconnect") == ("", Reason.NAMESPACE_CLIENT)
    assert client.lives
    assert not client.socket.active_ns
    client.post("40/chat,")
    assert heard(client)[0].startswith("40/chat,")


def test_the_server_ends_one_namespace(client: EngineClient, journal: Transcript) -> None:
    client.post('42["leave"]')
    assert heard(client) == ["41"]
    assert journal.next("disconnect") == ("", Reason.NAMESPACE_SERVER)
    # What was on its way is no fault of the client's.
    client.post('42["tell","late"]')
    assert client.lives


def test_the_server_ends_the_session(client: EngineClient, journal: Transcript) -> None:
    client.post("40/chat,")
    heard(client)
    client.post('42["end"]')
    assert heard(client) == ["41", "41/chat,"]
    assert heard(client) == ["1"]
    assert journal.next("disconnect", "") == ("", Reason.SERVER)
    assert journal.next("disconnect", "/chat") == ("/chat", Reason.SERVER)
    ended(client)


# ---- events and acks


@pytest.mark.parametrize("namespace", ["", "/chat"])
def test_events_and_their_acks(client: EngineClient, namespace: str) -> None:
    at = f"{namespace}," if namespace else ""
    if namespace:
        client.post(f"40{at}")
        heard(client)
    client.post(f'42{at}7["echo","ü😀",{{"a":[null]}}]')
    (answer,) = heard(client)
    assert answer.startswith(f"43{at}7[")
    assert answer.encode("ascii") if client.revision == 3 else True
    assert json.loads(answer[answer.index("[") :]) == ["ü😀", {"a": [None]}]
    client.post(f'42{at}0["echo"]')
    assert heard(client) == [f"43{at}0[]"]


def test_an_answer_by_hand(client: EngineClient, journal: Transcript) -> None:
    """The events behind it do not wait for it."""
    client.post('423["later","x"]')
    client.post('424["echo"]')
    assert heard(client) == ["434[]"]
    namespace, packet = journal.next("kept")
    assert namespace.ack(packet, "done", packet["args"])
    assert heard(client) == ['433["done",["x"]]']


def test_the_server_asks(client: EngineClient, journal: Transcript) -> None:
    client.post('42["ask","x"]')
    assert heard(client) == ['421["question","x"]']
    client.post('431["yes",2]')
    assert journal.next("answer") == ("yes", 2)
    client.post('431["twice"]')
    client.post('4399["unknown"]')
    assert client.lives


def test_an_exception_is_an_error_and_the_session_goes_on(client: EngineClient) -> None:
    client.post('423["boom"]')
    (answer,) = heard(client)
    assert answer.startswith('433[{"error":"internal_error"')
    client.post('42["nothing handles this"]')
    (answer,) = heard(client)
    assert answer.startswith('42["error","no_such_method"')


def test_the_event_message_and_send(client: EngineClient, journal: Transcript) -> None:
    client.post('42["message","hello"]')
    assert journal.next("message") == ("hello",)
    assert heard(client) == ['42["message","hello"]']


def test_bytes_both_ways(client: EngineClient, journal: Transcript) -> None:
    attachment = "bAQID" if client.revision == 4 else "b4AQID"
    client.post('451-5["echo",{"_placeholder":true,"num":0}]', attachment)
    assert heard(client) == ['461-5[{"_placeholder":true,"num":0}]', b"\x01\x02\x03"]
    client.post('451-["tell",[{"_placeholder":true,"num":0}]]', attachment)
    assert journal.next("told") == ([b"\x01\x02\x03"],)


def test_attachments_may_come_in_another_request(client: EngineClient, journal: Transcript) -> None:
    mark = "b" if client.revision == 4 else "b4"
    client.post('452-["tell",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]')
    client.post(f"{mark}AQID", f"{mark}BA==")
    assert journal.next("told") == (b"\x04", b"\x01\x02\x03")


def test_rooms_and_broadcasts(client: EngineClient) -> None:
    other = client.another()
    assert isinstance(other, EngineClient)
    other.open()
    client.post('42["all",1]')
    assert heard(client) == heard(other) == ['42["news",1]']
    client.post('42["others",2]', '425["echo"]')
    assert heard(client) == ["435[]"]
    assert heard(other) == ['42["news",2]']


def test_one_room_for_every_generation(engine: Open, chat: type[BaseNamespace]) -> None:
    client = engine({"": chat}).open()

    class Other(EngineClient):
        revision = 7 - client.revision

    other = Other(client.app, client.registry, client.runtime).open()
    old = PollingClient(client.app, client.registry, client.runtime).open()
    client.post('42["all","hi",[1]]')
    assert heard(client) == heard(other) == ['42["news","hi",[1]]']
    assert old.poll().packets == ['5:::{"name":"news","args":["hi",[1]]}']
    old.post('5:::{"name":"others","args":["from 0.9"]}')
    assert heard(client) == heard(other) == ['42["news","from 0.9"]']


def test_a_client_that_says_goodbye_while_the_session_ends_is_not_waited_for(
    client: EngineClient, journal: Transcript
) -> None:
    client.post('42["end"]')
    assert heard(client) == ["41"]
    assert client.post("1").text == "ok"
    ended(client)


# ---- violations, each the end


@pytest.mark.parametrize(
    ("packets", "reason"),
    [
        pytest.param(["4abc"], Reason.FORCED_CLOSE, id="no type"),
        pytest.param(["42{}"], Reason.FORCED_CLOSE, id="an event that is no array"),
        pytest.param(['42abc["a"]'], Reason.FORCED_CLOSE, id="no id"),
        pytest.param(['42["connect"]'], Reason.FORCED_CLOSE, id="a reserved name"),
        pytest.param(["42[1e999]"], Reason.FORCED_CLOSE, id="no name"),
        pytest.param(["40[1]"], Reason.FORCED_CLOSE, id="auth that is no object"),
        pytest.param(["41{}"], Reason.FORCED_CLOSE, id="a disconnect with data"),
        pytest.param(["431{}"], Reason.FORCED_CLOSE, id="an ack that is no array"),
        pytest.param(['43["x"]'], Reason.FORCED_CLOSE, id="an ack of nothing"),
        pytest.param(['44{"message":"x"}'], Reason.FORCED_CLOSE, id="an error from a client"),
        pytest.param(['450-["a"]'], Reason.FORCED_CLOSE, id="no attachments announced"),
        pytest.param(["45[]"], Reason.FORCED_CLOSE, id="no number of attachments"),
        pytest.param(['42/chat,["tell"]'], Reason.FORCED_CLOSE, id="not connected"),
        pytest.param(["{b}AQID"], Reason.FORCED_CLOSE, id="bytes that nothing announced"),
        pytest.param(
            ['451-["a",{{"_placeholder":true,"num":0}}]', '42["tell"]'],
            Reason.FORCED_CLOSE,
            id="text while bytes are due",
        ),
        pytest.param(
            ['451-["a",{{"_placeholder":true,"num":1}}]', "{b}AQID"],
            Reason.FORCED_CLOSE,
            id="a placeholder without an attachment",
        ),
        pytest.param(["40/chat,", "40/chat,"], Reason.FORCED_CLOSE, id="connected twice"),
        pytest.param(["7"], Reason.PARSE_ERROR, id="no packet of the engine"),
        pytest.param([""], Reason.PARSE_ERROR, id="an empty packet"),
    ],
)
def test_a_violation_ends_the_session(
    client: EngineClient, journal: Transcript, packets: list[str], reason: str
) -> None:
    mark = "b" if client.revision == 4 else "b4"
    sent = [packet.replace("{{", "{").replace("}}", "}").replace("{b}", mark) for packet in packets]
    poll = client.poll()
    answer = client.post('42["tell","before"]', *sent)
    assert answer.status_code in (200, 400)
    assert journal.next("told") == ("before",)
    assert journal.next("disconnect") == ("", reason)
    assert poll.packets[-1] == "1"
    ended(client)


def test_a_packet_for_a_namespace_that_was_left_ends_the_session_and_the_log_says_so(
    client: EngineClient, journal: Transcript, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("40/chat,", "41/chat,", '42/chat,1["tell"]')
    assert journal.next("disconnect", "/chat")
    assert journal.next("disconnect") == ("", Reason.FORCED_CLOSE)
    assert "a packet for '/chat', which is not connected, ends the session" in caplog.text
    assert "[not_connected]" in caplog.text
    ended(client)


def test_what_the_page_has_to_do_is_said_whole(
    client: EngineClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.post(f'42/{"x" * 900},["a"]')
    (line,) = [each for each in caplog.messages if "not_connected" in each]
    assert "... " not in line
    assert "before it sends, and to send nothing behind its disconnect() [not_connected]" in line


def test_more_attachments_than_allowed_end_the_session(
    client: EngineClient, journal: Transcript
) -> None:
    client.post('4511-["tell"]')
    assert journal.next("disconnect") == ("", Reason.FORCED_CLOSE)
    ended(client)


def test_a_heartbeat_in_the_wrong_direction(client: EngineClient, journal: Transcript) -> None:
    client.post("2" if client.revision == 4 else "3")
    assert journal.next("disconnect") == ("", Reason.TRANSPORT_ERROR)
    ended(client)


def test_the_log_says_what_was_wrong_once(
    client: EngineClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("42{}", "42{}", "42{}")
    (warning,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert "event packet: it needs a JSON array" in warning.getMessage()
    assert client.sid not in caplog.text


# ---- polls and POSTs


def test_a_second_poll_ends_the_session(client: EngineClient, journal: Transcript) -> None:
    held = client.poll()
    assert held.waiting
    second = client.request(client.url)
    assert (second.status_code, second.json["code"]) == (400, 3)
    assert second.headers["X-Sockio-Refusal"] == "second-request"
    assert held.packets == ["1"]
    assert journal.next("disconnect") == ("", Reason.FORCED_CLOSE)
    ended(client)


def test_a_goodbye_answers_the_poll_that_is_held(client: EngineClient, journal: Transcript) -> None:
    held = client.poll()
    assert client.post("1").text == "ok"
    assert held.packets == ["6"]
    assert journal.next("disconnect") == ("", Reason.TRANSPORT_CLOSE)
    ended(client)


def test_what_is_taken_and_what_is_overlooked(client: EngineClient) -> None:
    answer = client.post("6", "5", "0")
    assert (answer.status_code, answer.text) == (200, "ok")
    assert answer.headers["Content-Type"] == "text/html"
    assert client.lives


def test_other_methods(client: EngineClient) -> None:
    answer = client.request(client.url, "PUT")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST, OPTIONS")
    assert client.lives


def test_a_body_that_is_too_large_ends_the_session(
    engine: Open, chat: type[BaseNamespace], journal: Transcript
) -> None:
    client = engine({"": chat}, max_payload=1000).open()
    exact = '42["tell","' + "x" * (1000 - 13) + '"]'
    if client.revision == 3:
        exact = '42["tell","' + "x" * (1000 - 13 - 4) + '"]'
    assert client.post(exact).status_code == 200
    journal.next("told")
    answer = client.post_body("4" * 1001)
    assert (answer.status_code, answer.body) == (413, b"")
    ended(client)


def test_a_binary_body(client: EngineClient, journal: Transcript) -> None:
    body = b"\x00\x09\xff4" + b'2["tell"' + b""
    body = b"\x00\x01\x00\xff" + b'42["tell"]' if client.revision == 3 else b"x"
    answer = client.post_body(body, **{"Content-Type": "application/octet-stream"})
    if client.revision == 3:
        assert answer.text == "ok"
        assert journal.next("told") == ()
    else:
        assert answer.status_code == 400
        ended(client)


def test_bytes_in_a_binary_body_to_a_2_x_client(engine: Open, chat: type[BaseNamespace]) -> None:
    class Browser(EngineClient):
        revision = 3

    some = engine({"": chat})
    client = Browser(some.app, some.registry, some.runtime)
    client.open()
    client.post('451-5["echo",{"_placeholder":true,"num":0}]', "b4AQID")
    poll = client.poll()
    assert poll.answer.headers["Content-Type"] == "application/octet-stream"
    text = b'461-5[{"_placeholder":true,"num":0}]'
    head = b"\x00" + bytes(int(digit) for digit in str(len(text))) + b"\xff"
    assert poll.answer.body == head + text + b"\x01\x04\xff\x04\x01\x02\x03"


def test_scripts_and_forms(engine: Open, chat: type[BaseNamespace]) -> None:
    class Scripting(EngineClient):
        revision = 3

    plain = engine({"": chat})
    client = Scripting(plain.app, plain.registry, plain.runtime)
    client.headers["Referer"] = "http://localhost/"
    answer = client.handshake("&j=7")
    assert answer.headers["Content-Type"] == "text/javascript; charset=UTF-8"
    assert answer.text.startswith('___eio[7]("')
    client.sid = answer.text.split('sid\\":\\"')[1].split("\\")[0]
    assert client.poll("&j=7").answer.text == '___eio[7]("2:40");'
    packet = '420["echo","a\\n"]'
    # As in a form: the two characters of a line's end in JSON are told from a line's end.
    form = "d=" + quote(f"{len(packet)}:" + packet.replace("\\n", "\\\\n"))
    sent = client.request(
        client.url + "&j=7",
        "POST",
        form,
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert sent.text == "ok", sent.text
    assert client.poll("&j=7").answer.text == r'___eio[7]("10:430[\"a\\n\"]");'


def test_a_lost_poll_ends_the_session(
    engine: Open, chat: type[BaseNamespace], journal: Transcript
) -> None:
    client = engine({"": chat}).open()
    client.poll()
    carrier = client.socket._carrier
    client.socket.lost(carrier, "")  # type: ignore[arg-type]
    client.runtime.settle()
    assert journal.next("disconnect") == ("", Reason.TRANSPORT_CLOSE)
    ended(client)
