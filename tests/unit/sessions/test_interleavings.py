"""Whatever happens in whatever order: the indexes stay true, and every namespace that let its
client in is told of the end exactly once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gevent.event import Event
from hypothesis import given, settings
from hypothesis import strategies as st

from sockio import BaseNamespace, ConnectionRefused, RoomsMixin
from sockio.testing import ManualRuntime

from ...support.carriers import Client, House, Stream


class World:
    """A house with two clients, and what their namespaces are to do next."""

    def __init__(self) -> None:
        self.runtime = ManualRuntime()
        self.gate = "open"
        self.goodbye = "quick"
        self.door = Event()
        self.instances: list[Tracked] = []
        #: What must not happen. Noted, for what a handler raises ends there.
        self.complaints: list[str] = []
        world = self

        class Here(Tracked):
            def initialize(self) -> None:
                self.world = world
                world.instances.append(self)

        self.house = House(self.runtime, {"": Here, "/a": Here, "/b": Here}, max_inbox=3)
        self.clients = [Client(self.house), Client(self.house)]

    def open_door(self) -> None:
        door, self.door = self.door, Event()
        door.set()

    def end(self) -> None:
        """The server ends, and everybody who waits for something gets it."""
        self.house.registry.close_all()
        for _ in range(20):
            self.open_door()
            self.runtime.advance(1)
        self.runtime.advance(100)


class Tracked(BaseNamespace, RoomsMixin):
    """Keeps count of what happens to it, and complains of what must not."""

    world: World
    let_in = False
    told = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tasks: list[Any] = []

    def recv_connect(self) -> Any:
        gate = self.world.gate
        self.join("lobby")
        self.emit("welcome")
        self.start()
        if gate == "slow":
            self.world.door.wait()
        if gate == "refuse":
            return False
        if gate == "fail":
            raise ConnectionRefused
        if gate == "kick":
            self.disconnect()
        self.let_in = True
        return None

    def start(self) -> None:
        """A task that would never end by itself."""
        self.tasks.append(self.spawn(Event().wait))

    def handle(self) -> None:
        if not self.let_in:
            self.world.complaints.append("an event was handled before the gate had decided")
        if self.told:
            self.world.complaints.append("an event was handled after the end had been told")

    def on_ask(self) -> str:
        self.handle()
        return "answer"

    def on_wait(self) -> None:
        self.handle()
        self.world.door.wait()
        self.start()
        self.join("attic")

    def on_kick(self) -> None:
        self.handle()
        self.disconnect()

    def on_end(self) -> None:
        self.handle()
        self.socket.disconnect()

    def on_fail(self) -> None:
        self.handle()
        raise RuntimeError

    def recv_disconnect(self) -> None:
        if not self.let_in:
            self.world.complaints.append("the end was told of what had not begun")
        self.told += 1
        goodbye = self.world.goodbye
        self.join("lobby")
        self.start()
        if goodbye == "slow":
            self.world.door.wait()
        elif goodbye == "fail":
            raise RuntimeError


# ---- what can happen

Action = Callable[[World, Client], object]


def packet(text: str) -> Action:
    def arrives(world: World, client: Client) -> None:
        client.stream.brings(text)

    return arrives


def replace_stream(world: World, client: Client) -> None:
    client.stream = Stream(client.socket)
    client.socket.attach(client.stream)


def set_stuck(stuck: bool) -> Action:
    def act(world: World, client: Client) -> None:
        client.stream.stuck = stuck
        if not stuck:
            client.stream.ready()

    return act


def say(name: str, endpoint: str) -> Action:
    return packet(f'5:1+:{endpoint}:{{"name":"{name}","args":[]}}')


def throw_out(endpoint: str) -> Action:
    def act(world: World, client: Client) -> None:
        namespace = client.socket.get(endpoint)
        if namespace is not None:
            namespace.disconnect()

    return act


ACTIONS: dict[str, Action] = {
    "open": lambda w, c: c.socket.attach(c.stream),
    "replace the stream": replace_stream,
    "hang up": lambda w, c: c.stream.hangs_up(),
    "poll": lambda w, c: c.polls(),
    "poll, and the write fails": lambda w, c: c.polls("write failed"),
    "poll, and do not read": lambda w, c: c.polls("unread"),
    "poll, and hang up": lambda w, c: c.polls().hangs_up(),
    "stick": set_stuck(True),
    "flow": set_stuck(False),
    "connect a": packet("1::/a"),
    "connect b": packet("1::/b"),
    "connect nowhere": packet("1::/nowhere"),
    "leave a": packet("0::/a"),
    "leave b": packet("0::/b"),
    "goodbye": packet("0::"),
    "ask a": say("ask", "/a"),
    "wait in a": say("wait", "/a"),
    "wait in b": say("wait", "/b"),
    "fail in a": say("fail", "/a"),
    "be kicked from a": say("kick", "/a"),
    "be thrown out by b": say("end", "/b"),
    "garbage": packet("garbage"),
    "heartbeat": packet("2::"),
    "ack": packet("6::/a:1"),
    "server leaves a": throw_out("/a"),
    "server leaves the global namespace": throw_out(""),
    "server ends": lambda w, c: c.socket.disconnect(),
    "broadcast": lambda w, c: w.house.middleware.of("/a").to("lobby").emit("news"),
    "question": lambda w, c: "/a" in c.socket and c["/a"].emit("q", callback=print, timeout=2),
    "gate open": lambda w, c: setattr(w, "gate", "open"),
    "gate slow": lambda w, c: setattr(w, "gate", "slow"),
    "gate refuses": lambda w, c: setattr(w, "gate", "refuse"),
    "gate fails": lambda w, c: setattr(w, "gate", "fail"),
    "gate kicks": lambda w, c: setattr(w, "gate", "kick"),
    "goodbye quick": lambda w, c: setattr(w, "goodbye", "quick"),
    "goodbye slow": lambda w, c: setattr(w, "goodbye", "slow"),
    "goodbye fails": lambda w, c: setattr(w, "goodbye", "fail"),
    "door": lambda w, c: w.open_door(),
    "a moment": lambda w, c: w.runtime.advance(0.6),
    "half a minute": lambda w, c: w.runtime.advance(30),
    "a while": lambda w, c: w.runtime.advance(70),
}
#: Where trouble is to be expected: something takes long, and somebody comes or goes meanwhile.
TROUBLE = """
    wait in a;  a moment;  door;  gate slow;  goodbye slow;  connect a;  leave a;  hang up;  poll
    be kicked from a;  server leaves a;  ask a;  goodbye;  server ends
""".replace("\n", ";").split(";")
names = st.one_of(
    st.sampled_from([name.strip() for name in TROUBLE if name.strip()]),
    st.sampled_from(list(ACTIONS)),
)
steps = st.lists(st.tuples(st.sampled_from([0, 0, 0, 1]), names, st.booleans()), max_size=40)


@pytest.mark.fuzz
@settings(max_examples=max(300, settings().max_examples))
@given(steps)
def test_whatever_happens_in_whatever_order(steps: list[tuple[int, str, bool]]) -> None:
    world = World()
    world.clients[0].opens("/a", "/b")
    for who, name, settle in steps:
        ACTIONS[name](world, world.clients[who])
        if settle:
            world.runtime.settle()
            world.house.registry.check()
    world.end()

    world.house.registry.check()
    assert world.house.is_empty()
    assert world.runtime.timers == 0
    assert world.complaints == []
    for instance in world.instances:
        assert instance.told == int(instance.let_in)
        assert all(task.dead for task in instance.tasks)
        assert len(instance.jobs) == 0
    for client in world.clients:
        assert client.socket.active_ns == {}
        assert len(client.socket.jobs) == 0
