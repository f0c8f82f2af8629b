"""Rate limits: how fast a client may send, to all handlers or to one, and what becomes of more."""

from __future__ import annotations

from typing import Any

import pytest

from sockio import BaseNamespace, EventRefused, RateLimited, Reason, UsageError, allow, limit, on
from sockio.config.rates import Buckets, Rate

from ...support.carriers import Client
from ..conftest import MakeHouse

TOO_FAST = '[{"error":"rate_limited","message":"Too fast: at most 2 in 10 s."}]'


class Chat(BaseNamespace):
    @limit("2/10s")
    def on_say(self, text: str = "") -> str:
        return "said"

    @limit("2/10s", policy="drop")
    def on_typing(self) -> str:
        return "seen"

    @limit("2/10s", policy="close")
    def on_password(self) -> str:
        return "wrong"

    @limit("2/s")
    @limit("3/h")
    def on_twice(self) -> str:
        return "ok"

    @limit("2/10s")
    def recv_message(self, data: str) -> None: ...

    @limit("2/10s")
    @on("a:b")
    def marked(self) -> str:
        return "ok"

    @allow(lambda ns: ns.session.get("admin"))
    @limit("2/10s")
    def on_kick(self) -> str:
        return "out"

    def on_free(self) -> str:
        return "free"


def ask(name: str, endpoint: str = "/s") -> str:
    return f'5:1+:{endpoint}:{{"name":"{name}"}}'


@pytest.fixture
def client(house: MakeHouse) -> Client:
    return house({"/s": Chat, "/t": Chat}).client("/s", "/t")


# ---- one handler


def test_what_comes_too_soon_is_refused(client: Client) -> None:
    assert client.sends(*[ask("say")] * 3) == ['6::/s:1+["said"]'] * 2 + ["6::/s:1+" + TOO_FAST]
    client.house.runtime.advance(5)
    assert client.sends(*[ask("say")] * 2) == ['6::/s:1+["said"]', "6::/s:1+" + TOO_FAST]
    client.house.runtime.advance(15)
    assert client.sends(*[ask("say")] * 3) == ['6::/s:1+["said"]'] * 2 + ["6::/s:1+" + TOO_FAST]


def test_without_an_ack_the_client_hears_an_error(client: Client) -> None:
    assert client.sends(*['5::/s:{"name":"say"}'] * 3) == ["7::/s"]


def test_what_is_dropped_is_counted_and_not_answered(client: Client) -> None:
    assert client.sends(*[ask("typing")] * 5) == ['6::/s:1+["seen"]'] * 2
    assert client.socket.dropped == 3


def test_a_session_may_end_by_it(client: Client) -> None:
    assert client.sends(*[ask("password")] * 5) == ['6::/s:1+["wrong"]'] * 2 + ["0::"]
    assert client.socket.close_reason == Reason.RATE_LIMIT


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        (ask("a:b"), ['6::/s:1+["ok"]'] * 2 + ["6::/s:1+" + TOO_FAST]),
        ("3::/s:hello", ["7::/s"]),
    ],
    ids=["a marked handler", "recv_message"],
)
def test_whatever_a_client_calls_can_have_a_limit(
    client: Client, text: str, answers: list[str]
) -> None:
    assert client.sends(text, text, text) == answers


def test_several_limits_count_together(client: Client) -> None:
    assert client.sends(*[ask("twice")] * 3)[:2] == ['6::/s:1+["ok"]'] * 2
    client.house.runtime.advance(1)
    good, bad = client.sends(*[ask("twice")] * 2)
    assert good == '6::/s:1+["ok"]'
    assert "3 in 3600 s" in bad


def test_a_limit_is_asked_before_a_condition(client: Client) -> None:
    answers = client.sends(*[ask("kick")] * 3)
    assert [each.count("method_access_denied") for each in answers] == [1, 1, 0]


def test_limits_of_one_handler_and_client_are_nobody_elses(client: Client) -> None:
    client.sends(*[ask("say")] * 3)
    other = client.house.client("/s")
    for sender, text in ((other, ask("say")), (client, ask("say", "/t")), (client, ask("free"))):
        (answer,) = sender.sends(text)
        assert "rate_limited" not in answer


def test_coming_again_fills_no_bucket(client: Client) -> None:
    client.sends(*[ask("say")] * 2, "0::/s", "1::/s")
    assert client.sends(ask("say")) == ["6::/s:1+" + TOO_FAST]


def test_a_client_has_as_many_buckets_as_there_are_limits(client: Client) -> None:
    assert client.socket.buckets is None
    client.sends(ask("free"))
    assert client.socket.buckets is None
    for number in range(300):
        client.sends(ask("say"), ask("twice"), ask(f"made up {number}"))
        client.house.runtime.advance(7)
    assert client.socket.buckets is not None
    assert len(client.socket.buckets) == 3


def test_it_is_said_in_bounds(house: MakeHouse, caplog: pytest.LogCaptureFixture) -> None:
    client = house({"/s": Chat}, log_lines=2).client("/s")
    client.sends(*[ask("say")] * 20)
    lines = [line for line in caplog.messages if "[rate_limited]" in line]
    assert len(lines) == 2
    assert "refuse: rate_limited: Too fast: at most 2 in 10 s. (@limit on on_say)" in lines[0]


# ---- all that a client sends


def test_everything_counts_for_the_setting(house: MakeHouse) -> None:
    client = house({"/s": Chat, "/t": Chat}, rate_limit="4/10s").client("/s")
    sent = [ask("free"), "3::/s:x", "4::/s:1", ask("made up"), "1::/t", ask("free", "/nowhere")]
    answers = client.sends(*sent)
    assert answers[0] == '6::/s:1+["free"]'
    assert answers[-2].startswith("7::/t") or answers[-2].startswith("6::/s:1+")
    assert "rate_limited" in answers[-1]
    assert "/t" not in client.socket


def test_heartbeats_acks_and_goodbyes_do_not(house: MakeHouse) -> None:
    client = house({"/s": Chat}, rate_limit="2/10s").client("/s")
    client.sends("2::", "2::", "6::/s:1", "8::", "2::")
    assert client.sends(ask("free")) == ['6::/s:1+["free"]']
    client.sends(ask("free"), "0::/s")
    assert "/s" not in client.socket
    client.sends("0::")
    assert client.socket.close_reason == Reason.CLIENT


@pytest.mark.parametrize(
    ("rate", "answers", "dropped"),
    [
        ("2/10s", ['6::/s:1+["free"]', "6::/s:1+" + TOO_FAST], 0),
        ("2/10s drop", ['6::/s:1+["free"]'], 1),
        ("2/10s close", ['6::/s:1+["free"]', "0::"], 0),
    ],
)
def test_the_setting_has_the_same_policies(
    house: MakeHouse, rate: str, answers: list[str], dropped: int
) -> None:
    client = house({"/s": Chat}, rate_limit=rate).client("/s")
    assert client.sends(ask("free"), ask("free")) == answers
    assert client.socket.dropped == dropped


def test_an_application_sees_a_limit_as_a_refusal(house: MakeHouse) -> None:
    class Seeing(Chat):
        def process_packet(self, packet: Any) -> Any:
            try:
                return super().process_packet(packet)
            except EventRefused as refused:
                return isinstance(refused, RateLimited) and refused.policy

    client = house({"/s": Seeing}).client("/s")
    assert client.sends(*[ask("typing")] * 3)[-1] == '6::/s:1+["drop"]'


# ---- rates


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("5/10s", Rate(5, 10)),
        ("100/1s", Rate(100, 1)),
        ("100/s", Rate(100, 1)),
        (" 60 / 1.5 m ", Rate(60, 90)),
        ("1000/h drop", Rate(1000, 3600, "drop")),
        ("3/0.5s close", Rate(3, 0.5, "close")),
    ],
)
def test_a_rate_is_read(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "text", ["", "5", "5/s s", "0/1s", "5/0s", "5/10", "-5/10s", "5/10d", "x/1s", "5/1s ignore", 5]
)
def test_what_is_no_rate_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"rate"):
        Rate.parse(text)
    with pytest.raises(UsageError, match=r"limit\(\): "):
        limit(text)


def test_a_policy_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="refuse, drop, close"):
        limit("5/1s", policy="ignore")


def test_two_policies_are_refused_with_what_to_write() -> None:
    with pytest.raises(UsageError, match="write '5/s' with 'close', or '5/s drop' alone"):
        limit("5/s drop", "close")
    with pytest.raises(UsageError, match="two"):
        limit("5/s drop", policy="refuse")
    limit("5/s drop", "drop")


def test_a_policy_may_stand_with_the_rate() -> None:
    assert Rate.parse("5/s drop") == Rate.parse("5/s", "drop") == Rate(5, 1, "drop")


def test_a_hook_has_no_limit(house: MakeHouse) -> None:
    class Hooked(BaseNamespace):
        @limit("1/s")
        def recv_connect(self) -> None: ...

    with pytest.raises(UsageError, match="rate_limit"):
        house({"/s": Hooked})


@pytest.mark.parametrize("rate", [Rate(3, 1), Rate(7, 3), Rate(1000, 1), Rate(1, 10)])
def test_over_a_long_time_no_more_passes_than_the_rate_and_no_less(rate: Rate) -> None:
    buckets = Buckets()
    step = rate.seconds / rate.count / 3
    passed = sum(buckets.take("x", (rate,), number * step) is None for number in range(3000))
    assert abs(passed - (1000 + rate.count)) <= 2


def test_what_waited_for_its_namespace_is_counted_once(house: MakeHouse) -> None:
    """As after an outage: the client flushes its buffer before it asks for the namespace."""
    client = house({"/s": Chat}, rate_limit="10/10s").client()
    flushed = [ask("free")] * 9
    assert client.sends(*flushed, "1::/s") == ["1::/s", *['6::/s:1+["free"]'] * 9]
    assert client.socket.received == 10
    (answer,) = client.sends(ask("free"))
    assert "rate_limited" in answer


@pytest.mark.parametrize("garbage", ["5::/s:{", "5:1+:/s:[]", "9::", "x", '5::/s:{"name":1}'])
def test_what_is_no_packet_counts_as_one(house: MakeHouse, garbage: str) -> None:
    client = house({"/s": Chat}, rate_limit="10/10s close").client("/s")
    client.sends(*[garbage] * 9)
    assert client.socket.connected
    assert client.socket.bad_packets == 9
    client.sends(garbage)
    assert client.socket.close_reason == Reason.RATE_LIMIT


def test_what_is_no_packet_is_refused_as_other_packets_are(house: MakeHouse) -> None:
    client = house({"/s": Chat}, rate_limit="2/10s").client("/s")
    answers = client.sends("5:1+:/s:[]", "5:2+:/s:[]")
    assert ["invalid_packet" in each for each in answers] == [True, False]
    assert answers[1] == "6::/s:2+" + TOO_FAST
