"""The real packages that others publish with, by a real server, understood."""

from __future__ import annotations

import pickle
import subprocess
from typing import Any

import pytest

from sockio.backplane import Emission
from sockio.backplane.commands import (
    Command,
    CommandError,
    Disconnect,
    JoinRooms,
    LeaveRooms,
    Selection,
    ServerEvent,
)
from sockio.backplane.interop import redis_emitter, write_only

from ..support.node import JS, NODE_MODULES, find_client
from ..support.redis import Ear, RedisServer
from ..support.transcript import eventually
from .conftest import Listen


def event(name: str, *args: Any, of: str = "") -> dict[str, Any]:
    return {"type": "event", "name": name, "args": [*args], "endpoint": of}


def overheard(ear: Ear, number: int) -> list[tuple[str, bytes]]:
    eventually(lambda: len(ear.heard.all("overheard")) >= number, f"{number} came")
    return [(channel, payload) for channel, payload in ear.heard.all("overheard")]


def test_the_emitter_for_node(server: RedisServer, listen: Listen) -> None:
    node = find_client("@socket.io/redis-emitter")
    bob = listen(server.url).stands().overhears(*redis_emitter.patterns(["", "/chat"]))
    script = str(JS / "emitter.js")
    subprocess.run([node, script, str(NODE_MODULES), str(server.path)], check=True, timeout=60)
    refused: list[str] = []
    commands: list[Command] = []
    for channel, payload in overheard(bob, 10):
        try:
            command = redis_emitter.read(channel, payload)
        except CommandError as error:
            refused.append(str(error))
        else:
            assert command is not None
            commands.append(command)
    chat, everybody = (Selection(name, None, frozenset()) for name in ("/chat", ""))
    assert commands == [
        Emission("", event("news", {"a": 1}, [True, None, None], "ünï", 1.5, -7, 2**53)),
        Emission("", event("x", b"\0\xff", b"\1\2"), ("one",), volatile=True),
        Emission(
            "",
            event("x", "2023-11-14T22:13:20.123Z"),
            ("one", "two", 5),
            frozenset({"three"}),
        ),
        Emission(
            "/chat",
            event("x", "1969-12-31T23:59:59.999Z", "2242-03-16T12:56:32.000Z", of="/chat"),
            ("a#b",),
        ),
        JoinRooms(chat._replace(rooms=("r1",), skip=frozenset({"r2"})), ("r9", "r10")),
        LeaveRooms(everybody, ("r9",)),
        Disconnect(everybody._replace(rooms=("r1",)), close=True),
        Disconnect(everybody, close=False),
        ServerEvent("/chat", ("hello", 1, {"a": "b"})),
    ]
    assert refused == ["NaN and infinite numbers are not JSON"]


def test_the_manager_of_python_socketio(server: RedisServer, listen: Listen) -> None:
    socketio = pytest.importorskip("socketio")
    bob = listen(server.url).stands().overhears(write_only.CHANNEL)
    manager = socketio.RedisManager(server.url, write_only=True)
    # Its packets have these from the server, elsewhere.
    manager.emit("x", {"a": 1})
    manager.emit("x", (1, "b"), namespace="/chat", room="r1", skip_sid="s1")
    manager.emit("x", [1, 2], room=["r1", "r2"], skip_sid=["s1", "s2"])
    manager.emit("x", None)
    manager.emit("x", ({"b": b"\0\xff"}, b""))
    manager._publish(
        {"method": "enter_room", "sid": "s1", "room": "r1", "namespace": "/", "host_id": "h"}
    )
    manager.redis.publish(write_only.CHANNEL, pickle.dumps({"method": "emit"}))
    found = [payload for _, payload in overheard(bob, 7)]
    assert [write_only.read(payload) for payload in found[:-1]] == [
        Emission("", event("x", {"a": 1})),
        Emission("/chat", event("x", 1, "b", of="/chat"), ("r1",), frozenset({"s1"})),
        Emission("", event("x", [1, 2]), ("r1", "r2"), frozenset({"s1", "s2"})),
        Emission("", event("x")),
        Emission("", event("x", {"b": b"\0\xff"}, b"")),
        JoinRooms(Selection("", ("s1",), frozenset()), ("r1",)),
    ]
    with pytest.raises(CommandError, match="pickled"):
        write_only.read(found[-1])
    manager.redis.close()


def test_what_is_overheard(server: RedisServer, listen: Listen) -> None:
    bob = listen(server.url, "framed").stands().overhears("plain*", "other?")
    ada = listen(server.url).stands()
    server.command("PUBLISH", "plain text", b"anything \xff")
    server.command("PUBLISH", "plain", bytes(1_000_001))
    server.command("PUBLISH", "other1", "")
    bob.heard.next("overheard", "other1", b"")
    assert bob.heard.all("overheard") == [("plain text", b"anything \xff"), ("other1", b"")]
    assert "more than 1000000 bytes" in bob.said("redis_garbage")[0]
    server.command("CLIENT", "KILL", "TYPE", "pubsub")
    bob.heard.next("state", False)
    bob.stands()
    server.command("PUBLISH", "plain", "again")
    bob.heard.next("overheard", "plain", b"again")
    bob.link.leave_alone("plain*")
    bob.overhears("more")
    server.command("PUBLISH", "plain", "unheard")
    ada.link.publish("framed", b"x")
    bob.heard.next("message", "framed", b"x")
    assert len(bob.heard.all("overheard")) == 3
    assert bob.link.numbers.channels == 4


def test_a_handler_that_fails_does_not_end_the_listener(
    server: RedisServer, listen: Listen
) -> None:
    bob = listen(server.url).stands()

    def fail(channel: str, payload: bytes) -> None:
        raise ValueError(payload)

    bob.link.overhear("fails", fail)
    bob.overhears("works")
    server.command("PUBLISH", "fails", "x")
    server.command("PUBLISH", "works", "x")
    bob.heard.next("overheard", "works", b"x")
    assert len(bob.said("redis_handler")) == 1
