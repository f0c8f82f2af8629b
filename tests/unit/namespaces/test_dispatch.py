"""From a packet to its handler to its ack: what is answered, what is refused, and how."""

from __future__ import annotations

import logging
from typing import Any

import gevent
import pytest

from sockio import BaseNamespace, EventRefused, allow, on
from sockio.protocol.dialect import FEW, MAX_NESTS, VALUES, WIDE
from sockio.testing import ManualRuntime

from ...support.carriers import Client, House
from ..conftest import MakeHouse

NOT_CONNECTED = '[{"error":"not_connected","message":"This namespace is not connected."}]'
INTERNAL = '[{"error":"internal_error","message":"The server failed to handle this."}]'


class Chat(BaseNamespace):
    """Writes down what it handles."""

    @property
    def log(self) -> list[Any]:
        log: list[Any] = self.session.setdefault("log", [])
        return log

    def on_say(self, text: str) -> str:
        self.log.append(text)
        return text.upper()

    def on_none(self) -> None: ...
    def on_tuple(self) -> tuple[int, int]:
        return (1, 2)

    def on_empty_tuple(self) -> tuple[()]:
        return ()

    def on_list(self) -> list[int]:
        return [1, 2]

    def on_dict(self) -> dict[str, Any]:
        return {"a+b": None}

    def on_false(self) -> bool:
        return False

    def on_unwritable(self) -> object:
        return object()

    def on_fail(self, *args: Any) -> None:
        raise RuntimeError("secret details")

    def on_time_out(self) -> None:
        raise gevent.Timeout(1)

    def on_refuse(self) -> None:
        raise EventRefused("too_late", "The game is over.")

    def on_optional(self, a: int, b: int = 0) -> None: ...
    def on_whole(self, packet: dict[str, Any]) -> Any:
        return packet["name"], packet["args"], packet["endpoint"]

    @allow(lambda ns: ns.session.get("admin"))
    def on_kick(self, who: str) -> str:
        return who

    on_air = True

    @on("user:message")
    def said(self, text: str) -> str:
        return text

    def recv_message(self, data: str) -> None:
        self.log.append(data)

    def recv_json(self, data: Any) -> Any:
        self.log.append(data)
        return data

    def recv_error(self, packet: Any) -> None:
        self.log.append((packet["type"], packet["reason"]))


class Restricted(Chat):
    def get_initial_acl(self) -> list[str]:
        return ["on_say"]


@pytest.fixture
def home(house: MakeHouse) -> House:
    return house({"": Chat, "/chat": Chat, "/acl": Restricted})


@pytest.fixture
def client(home: House) -> Client:
    return home.client("/chat", "/acl")


def event(name: str, *args: Any, head: str = "5::/chat") -> str:
    items = ",".join(f'"{arg}"' for arg in args)
    return f'{head}:{{"name":"{name}","args":[{items}]}}'


# ---- what is handled by what


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        pytest.param('5:1+:/chat:{"name":"say","args":["hi"]}', '6::/chat:1+["HI"]', id="event"),
        pytest.param('5:1+::{"name":"say","args":["hi"]}', '6:::1+["HI"]', id="global namespace"),
        pytest.param('5:1+:/chat:{"name":"none"}', "6::/chat:1", id="d30: None is no argument"),
        pytest.param('5:1+:/chat:{"name":"empty tuple"}', "6::/chat:1", id="neither is ()"),
        pytest.param('5:1+:/chat:{"name":"tuple"}', "6::/chat:1+[1,2]", id="a tuple spreads"),
        pytest.param('5:1+:/chat:{"name":"list"}', "6::/chat:1+[[1,2]]", id="d30: a list does not"),
        pytest.param('5:1+:/chat:{"name":"dict"}', '6::/chat:1+[{"a+b":null}]', id="a dict"),
        pytest.param('5:1+:/chat:{"name":"false"}', "6::/chat:1+[false]", id="False is a value"),
        pytest.param('5:0+:/chat:{"name":"none"}', "6::/chat:0", id="d30: 0 is an id"),
        pytest.param('5:1:/chat:{"name":"say","args":["x"]}', "6::/chat:1", id="d29: a receipt"),
        pytest.param("3:2:/chat:hello", "6::/chat:2", id="d29: a receipt for a message"),
        pytest.param("4:3:/chat:[1]", "6::/chat:3", id="d29: a receipt for json"),
        pytest.param("4:3+:/chat:[1]", "6::/chat:3+[[1]]", id="a data ack for json"),
        pytest.param("3:4+:/chat:hello", "6::/chat:4", id="a data ack for a message"),
        pytest.param(
            '5:1+:/chat:{"name":"whole","args":[7]}',
            '6::/chat:1+["whole",[7],"/chat"]',
            id="gs53: the whole packet for a lone parameter of that name",
        ),
        pytest.param(
            '5:1+:/chat:{"name":"user:message","args":["x"]}', '6::/chat:1+["x"]', id="@on"
        ),
    ],
)
def test_a_packet_and_its_answer(client: Client, packet: str, answer: str) -> None:
    assert client.sends(packet) == [answer]


@pytest.mark.parametrize(
    ("packet", "seen"),
    [
        pytest.param("3::/chat:hello", "hello", id="recv_message"),
        pytest.param("3::/chat", "", id="an empty message"),
        pytest.param('4::/chat:{"a":1}', {"a": 1}, id="recv_json"),
        pytest.param("4::/chat:null", None, id="recv_json, with null"),
        pytest.param(
            "7::/chat:2", ("error", "unauthorized"), id="recv_error, with the whole packet"
        ),
    ],
)
def test_what_is_no_event_has_a_method_of_its_own(client: Client, packet: str, seen: Any) -> None:
    assert client.sends(packet) == []
    assert client["/chat"].log == [seen]


# ---- what is refused, and how


def refusal(code: str, message: str) -> str:
    return f'[{{"error":"{code}","message":"{message}"}}]'


REFUSED = [
    pytest.param(
        '"name":"nobody"', "no_such_method", "Nothing handles this.", id="d28: nobody's event"
    ),
    pytest.param(
        '"name":"air"', "no_such_method", "Nothing handles this.", id="d48: a flag is no handler"
    ),
    pytest.param(
        '"name":"a-b"',
        "unallowed_event_name",
        "The event's name may have letters, digits, spaces and underscores only.",
        id="d47: an odd name",
    ),
    pytest.param(
        '"name":"say"',
        "invalid_arguments",
        "This takes 1 arguments, not 0.",
        id="d46: too few arguments",
    ),
    pytest.param(
        '"name":"optional","args":[1,2,3]',
        "invalid_arguments",
        "This takes 1 to 2 arguments, not 3.",
        id="d46: too many arguments",
    ),
    pytest.param(
        '"name":"kick","args":["bob"]',
        "method_access_denied",
        "You may not do that.",
        id="@allow says no",
    ),
    pytest.param(
        '"name":"fail"', "internal_error", "The server failed to handle this.", id="d20: a failure"
    ),
    pytest.param(
        '"name":"time out"',
        "internal_error",
        "The server failed to handle this.",
        id="d20: a failure that is no Exception",
    ),
    pytest.param('"name":"refuse"', "too_late", "The game is over.", id="the handler's own words"),
]


@pytest.mark.parametrize(("what", "code", "message"), REFUSED)
def test_d28_a_waiting_callback_gets_an_error_ack_and_nothing_else(
    client: Client, what: str, code: str, message: str
) -> None:
    assert client.sends(f"5:1+:/chat:{{{what}}}") == [f"6::/chat:1+{refusal(code, message)}"]
    assert client.sends(event("say", "still here", head="5:2+:/chat")) == [
        '6::/chat:2+["STILL HERE"]'
    ]


def test_an_answer_that_cannot_be_written_is_a_failure_of_the_handler(client: Client) -> None:
    assert client.sends(event("unwritable", head="5:1+:/chat")) == [f"6::/chat:1+{INTERNAL}"]
    assert client.sends(event("unwritable")) == []  # nobody asked for it


@pytest.mark.parametrize(("what", "code", "message"), REFUSED)
def test_d41_without_a_callback_there_is_an_error_packet(
    client: Client, what: str, code: str, message: str
) -> None:
    error_packet = "7::/chat"
    if code == "too_late":  # the application's own words go out as an event: there is room for them
        error_packet = f'5::/chat:{{"name":"error","args":["{code}","{message}"]}}'
    assert client.sends(f"5::/chat:{{{what}}}") == [error_packet]


@pytest.mark.parametrize(("what", "code", "message"), REFUSED)
def test_a_receipt_says_that_a_packet_has_come_and_no_more(
    client: Client, what: str, code: str, message: str
) -> None:
    assert client.sends(f"5:7:/chat:{{{what}}}")[0] == "6::/chat:7"


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        pytest.param('5:1+:/acl:{"name":"say","args":["x"]}', '6::/acl:1+["X"]', id="listed"),
        pytest.param("3:1+:/acl:x", "6::/acl:1+", id="a message"),
        pytest.param("4:1+:/acl:1", "6::/acl:1+", id="json"),
        pytest.param('5:1+:/acl:{"name":"none"}', "6::/acl:1+", id="an event"),
        pytest.param(
            '5:1+:/acl:{"name":"nobody"}', "6::/acl:1+", id="one that does not exist, alike"
        ),
    ],
)
def test_d28_what_the_acl_does_not_list_is_denied(client: Client, packet: str, answer: str) -> None:
    denied = refusal("method_access_denied", "You may not do that.")
    expected = answer + denied if answer.endswith("+") else answer
    assert client.sends(packet) == [expected]


def test_allow_is_asked_at_each_event(client: Client) -> None:
    client.socket.session["admin"] = True
    assert client.sends(event("kick", "bob", head="5:1+:/chat")) == ['6::/chat:1+["bob"]']
    del client.socket.session["admin"]
    assert client.sends(event("kick", "bob")) == ["7::/chat"]


def test_d03_a_failure_is_logged_with_its_traceback_and_without_the_whole_sid(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.sends(event("fail", "argument"))
    assert "secret details" in caplog.text
    assert "Traceback" in caplog.text
    assert "the handler of event 'fail' failed" in caplog.text
    assert client.socket.sessid not in caplog.text


@pytest.mark.parametrize("what", ['"name":"nobody"', '"name":"refuse"'])
def test_a_refusal_is_no_failure_to_the_log(
    client: Client, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    client.sends(f"5::/chat:{{{what}}}")
    assert "Traceback" not in caplog.text
    assert all(record.levelno < logging.ERROR for record in caplog.records)


def test_refusals_never_hide_a_failure(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(200):
        client.sends(event("refuse"), event("nobody"))
    client.sends(event("fail", "argument"))
    assert "secret details" in caplog.text
    assert len(caplog.records) == 10 + 10 + 1


def test_a_failure_that_is_repeated_is_counted_and_told_when_the_minute_is_over(
    client: Client, runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(25):
        client.sends(event("fail", number))
    assert caplog.text.count("Traceback") == 10
    runtime.advance(60)
    left_out = [r.getMessage() for r in caplog.records if "were left out" in r.getMessage()]
    assert left_out == [
        "15 more lines of this kind [handler-failed Chat on_fail RuntimeError] about 10.0.0.1 were "
        "left out in the last minute"
    ]


def test_what_a_client_sends_is_no_kind_of_failure(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    class Own(BaseNamespace):
        def process_packet(self, packet: Any) -> Any:
            raise LookupError(packet["name"])

    built = house({"": Own})
    client = built.client()
    for number in range(100):
        client.sends(f'5:::{{"name":"name{number}"}}')
    assert caplog.text.count("Traceback") == 10


def test_a_long_name_is_logged_cut(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.sends(event("a" * 900_000), f"1::/{'n' * 900_000}")
    assert len(caplog.text) < 5_000


def test_d20_an_error_handler_that_fails_is_logged_and_ends_nothing(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any) -> None:
        raise ZeroDivisionError

    client = house({"/chat": Chat}, error_handler=broken).client("/chat")
    assert client.sends(event("nobody"), event("say", "x", head="5:1+:/chat")) == [
        '6::/chat:1+["X"]'
    ]
    assert "the error handler failed" in caplog.text


@pytest.mark.parametrize("endpoint", ["/nowhere", "/chat/sub", "chat"])
def test_what_is_sent_to_an_unknown_namespace_is_refused_and_counted(
    client: Client, endpoint: str
) -> None:
    assert client.sends(
        f"3:1:{endpoint}:x", event("say", "x", head=f"5:2+:{endpoint}"), f"0::{endpoint}"
    ) == [f"6::{endpoint}:{number}+{NOT_CONNECTED}" for number in (1, 2)]
    assert client.socket.dropped == 3
    assert client.socket.connected


@pytest.mark.parametrize(
    ("number", "most"),
    [
        ("1e5", MAX_NESTS),
        ("1E-05", MAX_NESTS),
        ("-1.5e+99", MAX_NESTS),
        ("2e-308", MAX_NESTS // WIDE),
        ("1e300", MAX_NESTS // WIDE),
    ],
)
def test_a_packet_of_too_many_exponents_is_refused_unread(
    house: MakeHouse, number: str, most: int
) -> None:
    client = house({"/chat": Chat}).client("/chat")
    few, many = (f"{','.join([number] * (most + more))}" for more in (-2, 1))
    (refused,) = client.sends(f'5:7+:/chat:{{"name":"none","args":[{many}]}}')
    assert refused.startswith('6::/chat:7+[{"error":"invalid_packet"')
    assert client.socket.bad_packets == 1
    assert client.sends(f'5:8+:/chat:{{"name":"fail","args":[{few}]}}') == [
        f"6::/chat:8+{INTERNAL}"
    ]


@pytest.mark.parametrize("word", ["9e123", "[", "{", "a:", r"\\[", r"\"{"])
def test_in_texts_there_may_be_any_number_of_them(house: MakeHouse, word: str) -> None:
    """A hash in hexadecimal digits, JSON as a text within JSON."""
    client = house({"/chat": Chat}).client("/chat")
    words = word * (2 * MAX_NESTS)
    assert client.sends(f'5:8+:/chat:{{"name":"fail","args":["{words}"]}}') == [
        f"6::/chat:8+{INTERNAL}"
    ]
    assert client.socket.bad_packets == 0


@pytest.mark.parametrize("values", [2, 5, 40])
def test_the_values_of_many_lists_count_as_well(house: MakeHouse, values: int) -> None:
    client = house({"/chat": Chat}).client("/chat")
    one = f"[{','.join(['1'] * values)}]"
    most = int(MAX_NESTS / (1 + (values - 1) / VALUES))
    assert most > FEW
    few, many = (f"{','.join([one] * (most + more))}" for more in (-9, 9))
    (refused,) = client.sends(f'5:7+:/chat:{{"name":"none","args":[{many}]}}')
    assert refused.startswith('6::/chat:7+[{"error":"invalid_packet"')
    # In texts there may be any number of commas.
    words = "," * VALUES * MAX_NESTS
    assert client.sends(f'5:8+:/chat:{{"name":"fail","args":[{few},"{words}"]}}') == [
        f"6::/chat:8+{INTERNAL}"
    ]
    assert client.socket.bad_packets == 1


def test_few_lists_may_have_any_number_of_values(house: MakeHouse) -> None:
    client = house({"/chat": Chat}).client("/chat")
    lists = ",".join([f"[{','.join('1' * 500)}]"] * (FEW - 3))
    assert client.sends(f'5:8+:/chat:{{"name":"fail","args":[{lists}]}}') == [
        f"6::/chat:8+{INTERNAL}"
    ]


@pytest.mark.parametrize("space", ["", " "])
def test_a_packet_of_too_many_keys_is_refused_unread(house: MakeHouse, space: str) -> None:
    client = house({"/chat": Chat}).client("/chat")
    # Of the event itself there are two more.
    most = MAX_NESTS - 2
    few, many = (
        f"{{{','.join(f'{chr(34)}{key}{chr(34)}{space}:1' for key in range(most + more))}}}"
        for more in (0, 1)
    )
    (refused,) = client.sends(f'5:7+:/chat:{{"name":"none","args":[{many}]}}')
    assert refused.startswith('6::/chat:7+[{"error":"invalid_packet"')
    assert client.socket.bad_packets == 1
    # Words have none, whatever stands in them.
    words = ":" * 2 * most
    assert client.sends(f'5:8+:/chat:{{"name":"fail","args":[{few},"{words}"]}}') == [
        f"6::/chat:8+{INTERNAL}"
    ]
    assert client.socket.bad_packets == 1


@pytest.mark.parametrize("nest", ["[]", "{}"])
@pytest.mark.parametrize("head", ["5:7+:/chat", "5::/chat"])
def test_a_packet_of_too_many_lists_is_refused_unread(
    house: MakeHouse, nest: str, head: str
) -> None:
    client = house({"/chat": Chat}).client("/chat")
    least, most = (f"{','.join([nest] * (MAX_NESTS + more))}" for more in (-2, 1))
    (refused,) = client.sends(f'{head}:{{"name":"none","args":[{most}]}}')
    expected = '6::/chat:7+[{"error":"invalid_packet"' if "7" in head else "7::/chat"
    assert refused.startswith(expected)
    assert client.socket.bad_packets == 1
    assert client.sends(f'5:8+:/chat:{{"name":"fail","args":[{least}]}}') == [
        f"6::/chat:8+{INTERNAL}"
    ]
    assert client.socket.bad_packets == 1
