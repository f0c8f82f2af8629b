"""The channel API of django-socketio, over the wire: what its handlers did there, they do here.

The handlers are in ``apps/django_site/rooms/events.py``, written as one wrote them for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sockio.testing import Client, EventFailed

from ..support.generations import ways
from ..support.node import NODE_MODULES, find_client
from .django_site import Site, serving

SCRIPT = Path(__file__).with_name("django_channels.js")


@pytest.fixture(scope="module")
def running_site() -> Iterator[Site]:
    with serving("--noreload") as site:
        yield site


@pytest.fixture(params=ways())
def site(running_site: Site, request: pytest.FixtureRequest) -> Site:
    """One server for all, with clients of each generation in turn."""
    running_site.way = request.param
    return running_site


def refusal(client: Client, channel: Any) -> str:
    """The code with which a subscription is refused."""
    with pytest.raises(EventFailed) as refused:
        client.call("subscribe", channel)
    return str(refused.value.code)


# ---- Events


def test_ds01_ds09_on_connect_runs_once_and_its_context_stays(site: Site) -> None:
    heidi = site.own("heidi")
    client = site.connect("", heidi)
    site.program.tells(f"event: (connect {heidi})")
    client.call("subscribe", "room-1")
    client.send("hello")
    assert client.expect_message() == {"from": heidi, "text": "hello"}
    assert site.program.output.count(f"event: connect {heidi}\n") == 1


@pytest.mark.parametrize("sent", ["hello", "__subscribe__", {"a": [1, None]}, ["a", "list"], 7])
def test_ds02_on_message_gets_what_was_sent(site: Site, sent: Any) -> None:
    client = site.connect()
    client.send(sent, json=not isinstance(sent, str))
    assert client.expect_message() == {"unbound": sent}


def test_ds03_ds10_subscribing_runs_its_handlers_and_joins(site: Site) -> None:
    ada, bob = site.connect("", "ada"), site.connect("", "bob")
    assert ada.call("subscribe", "room-2") is True
    assert ada.call("subscribe", "room-2") is False
    assert bob.call("subscribe", "room-2") is True
    assert ada.expect_message() == {"joins": "bob"}
    assert bob.call("unsubscribe", "room-2") is True
    assert bob.call("unsubscribe", "room-2") is False
    site.program.tells("event: (unsubscribe bob room-2)")
    ada.send("alone")
    assert ada.expect_message() == {"from": "ada", "text": "alone"}
    bob.send("outside")
    assert bob.expect_message() == {"unbound": "outside"}


def test_ds03_on_subscribe_refuses_before_the_client_is_in(site: Site) -> None:
    staff, other = site.connect("", "root"), site.connect("", "ada")
    assert staff.call("subscribe", "room-private") is True
    assert refusal(other, "room-private") == "subscription_refused"
    staff.send("secret")
    assert staff.expect_message() == {"from": "root", "text": "secret"}
    other.send("where am I")
    assert other.expect_message() == {"unbound": "where am I"}


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        pytest.param("anything", "no_such_channel", id="no handler is about it"),
        pytest.param("my room-1", "no_such_channel", id="the pattern begins at the beginning"),
        pytest.param("", "invalid_channel", id="empty"),
        pytest.param("room-" + "x" * 300, "invalid_channel", id="too long"),
        pytest.param(["room-1"], "invalid_channel", id="no text"),
    ],
)
def test_ds10_a_client_cannot_make_up_channels(site: Site, channel: Any, code: str) -> None:
    assert refusal(site.connect(), channel) == code


def test_a_client_has_so_many_channels(site: Site) -> None:
    client = site.connect("", "mallory")
    for number in range(1000):
        client.emit("subscribe", f"room-many-{number}")
    assert refusal(client, "room-one-more") == "too_many_channels"
    client.disconnect()


def test_ds04_on_error_gets_the_exception_and_the_connection_lives(site: Site) -> None:
    client = site.connect("", "ada")
    client.call("subscribe", "room-3")
    client.send("fail")
    assert client.expect_message() == {"error": "of on_message"}
    if site.way["generation"] == "0.9":
        # The others have no packet for an event that failed and wanted no ack.
        client.expect_error()
    client.send("still here")
    assert client.expect_message() == {"from": "ada", "text": "still here"}


def test_ds05_disconnect_unsubscribe_and_finish_in_this_order(site: Site) -> None:
    name = site.own("judy")
    ivan, judy = site.connect("", "ivan"), site.connect("", name)
    for client in (ivan, judy):
        client.call("subscribe", "room-4")
    assert ivan.expect_message() == {"joins": name}
    judy.disconnect()
    assert ivan.expect_message() == {"leaves": name}
    site.program.tells(f"event: (finish {name})")
    said = [line for line in site.program.output.splitlines() if f" {name}" in line]
    assert said == [
        f"event: connect {name}",
        f"event: disconnect {name}",
        f"event: unsubscribe {name} room-4",
        f"event: finish {name}",
    ]


def test_ds05_finish_runs_at_the_end_of_the_server_too() -> None:
    with serving("--noreload") as site:
        client = site.connect("", "ada")
        client.call("subscribe", "room-1")
        assert site.program.stop() == 0
        said = [line for line in site.program.output.splitlines() if line.startswith("event:")]
        assert said == [
            "event: connect ada",
            "event: unsubscribe ada room-1",
            "event: finish ada",
        ]


def test_ds06_a_handler_without_a_channel_stands_back_where_there_is_one(site: Site) -> None:
    client = site.connect("", "ada")
    client.send("one")
    client.call("subscribe", "room-5")
    client.send("two")
    client.call("unsubscribe", "room-5")
    client.send("three")
    assert client.expect_message() == {"unbound": "one"}
    assert client.expect_message() == {"from": "ada", "text": "two"}
    assert client.expect_message() == {"unbound": "three"}


# ---- Sending


def test_ds11_a_channel_gets_what_is_sent_to_it_once(site: Site) -> None:
    ada, bob, eve = (site.connect("", name) for name in ("ada", "bob", "eve"))
    for channel in ("room-6", "room-7"):
        ada.call("subscribe", channel)
        bob.call("subscribe", channel)
    eve.call("subscribe", "room-8")
    while ada.expect_message() != {"joins": "bob"} or ada.expect_message() != {"joins": "bob"}:
        pass
    ada.send("to all of my channels")
    expected = {"from": "ada", "text": "to all of my channels"}
    assert ada.expect_message() == expected
    assert bob.expect_message() == expected
    bob.send("and back")
    assert bob.expect_message() == {"from": "bob", "text": "and back"}
    eve.send("elsewhere")
    assert eve.expect_message() == {"from": "eve", "text": "elsewhere"}


@pytest.mark.parametrize(
    ("say", "hers", "his"),
    [
        pytest.param("send", True, False, id="send"),
        pytest.param("broadcast", False, True, id="broadcast"),
        pytest.param("send_and_broadcast", True, True, id="send_and_broadcast"),
        pytest.param("broadcast_channel", False, True, id="broadcast_channel"),
        pytest.param("send_and_broadcast_channel", True, True, id="send_and_broadcast_channel"),
    ],
)
def test_ds11_everybody_or_everybody_else(site: Site, say: str, hers: bool, his: bool) -> None:
    ada, bob = site.connect("", "ada"), site.connect("", "bob")
    for client in (ada, bob):
        client.call("subscribe", "loud")
    ada.send({"say": say, "text": {"said": say}}, json=True)
    # What each says to itself comes behind it.
    heard = []
    for client in (ada, bob):
        client.send({"say": "send", "text": "the end"}, json=True)
        heard.append(client.expect_message() == {"said": say})
        if heard[-1]:
            assert client.expect_message() == "the end"
    assert heard == [hers, his]


def test_ds12_views_send_to_one_to_a_channel_and_to_all(site: Site) -> None:
    ada, bob = site.connect("", "ada"), site.connect("", "bob")
    ada.call("subscribe", "room-9")
    visitor = site.visit()
    sid = bob.sid
    assert visitor.submit("/broadcast", session=sid, text="for bob").status == 200
    assert bob.expect_message() == "for bob"
    assert visitor.submit("/broadcast", channel="room-9", text="for nine").status == 200
    assert ada.expect_message() == {"text": "for nine"}
    assert visitor.submit("/broadcast", text="for all").status == 200
    assert ada.expect_message() == bob.expect_message() == "for all"


def test_ds12_nobody_there_is_said(site: Site) -> None:
    visitor = site.visit()
    reply = visitor.submit("/broadcast", channel="room-of-nobody", text="hello")
    assert (reply.status, "room-of-nobody" in reply.text) == (404, True)
    reply = visitor.submit("/broadcast", session="nobody's", text="hello")
    assert (reply.status, "session id" in reply.text) == (404, True)
    client = site.connect()
    client.disconnect()


# ---- The log


def test_ds15_ds18_messages_are_logged_like_requests(site: Site) -> None:
    client = site.connect()
    client.send({"text": "a\nforged line"}, json=True)
    client.expect_message()
    line = site.program.tells(r'(127\.0\.0\.1 - - \[.*\] "Socket.IO message: .*forged.*")')
    assert line.endswith('"Socket.IO message: {"text": "a\\nforged line"}"')


def test_ds15_messages_are_logged_under_gunicorn_where_that_is_asked_for() -> None:
    gunicorn = [sys.executable, "-m", "gunicorn", "-k", "gevent_pywsgi", "-b", "127.0.0.1:0"]
    with serving(
        command=[*gunicorn, "--graceful-timeout", "1", "project.wsgi"],
        DEBUG="0",
        MESSAGE_LOG="%(TYPE)s is <%(MESSAGE)s>",
    ) as site:
        client = site.connect()
        client.send("hello")
        client.expect_message()
        site.program.tells("(.* is <hello>)")


def test_ds15_without_debug_messages_are_private() -> None:
    with serving("--noreload", DEBUG="0") as site:
        client = site.connect()
        client.send("a secret")
        client.expect_message()
        assert site.program.stop() == 0
        assert "a secret" not in site.program.output


# ---- In the page


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("package", "transport"),
    [
        ("socket.io-client", "websocket"),
        ("socket.io-client", "xhr-polling"),
        ("socket.io-client-2.5.0", "websocket"),
        ("socket.io-client-4.8.4", "websocket"),
        ("socket.io-client-4.8.4", "polling"),
    ],
)
def test_ds10_ds16_the_script_of_the_tag_gives_the_client_channels(
    running_site: Site, package: str, transport: str
) -> None:
    done = subprocess.run(
        [
            find_client(package),
            str(SCRIPT),
            str(NODE_MODULES),
            running_site.url,
            package,
            transport,
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "transport": transport,
        "unbound": {"unbound": [1, 2]},
        "subscribed": True,
        "again": False,
        "refused": "no_such_channel",
        "inRoom": {"from": "nobody", "text": {"any": "JSON"}},
        "unsubscribed": True,
        "text": {"unbound": "plain text"},
    }
