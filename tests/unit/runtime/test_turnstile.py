"""Tasks that wait for a client's bytes stand in the same queue as everybody who is read from."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import gevent
import pytest

from sockio.runtime.gevent_runtime import GeventRuntime
from sockio.runtime.rota import SLICE, Rota, Watch
from sockio.runtime.turnstile import Turnstile

WORK = 0.001


class ByWork(GeventRuntime):
    """Whose rota's clock moves with the work."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0
        loop: Any = gevent.get_hub().loop
        self.rota = Rota(loop, lambda: self.time)

    def watch_client(
        self, sock: socket.socket, on_readable: Callable[[], bool], address: str = ""
    ) -> Watch:
        return self.rota.watch(sock.fileno(), on_readable, address)


class Client:
    """Whose bytes a task of its own reads, one by one; each costs as much work."""

    def __init__(
        self,
        runtime: ByWork,
        served: list[str],
        name: str,
        address: str = "",
        *,
        costly: bool = False,
    ) -> None:
        self.runtime, self.served, self.name = runtime, served, name
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.turnstile = Turnstile(runtime, self.here, address, costly=costly)
        self.task = gevent.spawn(self._read)

    def send(self, number: int = 1) -> None:
        self.there.send(bytes(number))

    def _read(self) -> None:
        while True:
            self.turnstile.wait()
            while self._read_one():
                self.turnstile.give_way()

    def _read_one(self) -> bool:
        """Whether there is more."""
        self.here.recv(1)
        self.runtime.time += WORK
        self.served.append(self.name)
        try:
            return bool(self.here.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def close(self) -> None:
        self.task.kill()
        self.turnstile.close()
        self.here.close()
        self.there.close()


Make = Callable[..., Client]


@pytest.fixture
def runtime() -> ByWork:
    return ByWork()


@pytest.fixture
def served() -> list[str]:
    return []


@pytest.fixture
def client(runtime: ByWork, served: list[str]) -> Iterator[Make]:
    made: list[Client] = []

    def make(*args: Any, **options: Any) -> Client:
        made.append(Client(runtime, served, *args, **options))
        # Until it waits.
        gevent.sleep(0)
        return made[-1]

    yield make
    for each in made:
        each.close()


def until(done: Callable[[], object]) -> None:
    for _ in range(5000):
        if done():
            return
        # Not zero, for which the loop does not look for input.
        gevent.sleep(0.000001)
    raise AssertionError("it never came")


def test_each_is_read_when_something_has_come(client: Make, served: list[str]) -> None:
    one, two = client("one"), client("two")
    two.send()
    until(lambda: served == ["two"])
    one.send(2)
    until(lambda: served == ["two", "one", "one"])


def test_who_asks_for_little_is_next_however_many_have_more(
    client: Make, served: list[str]
) -> None:
    quiet = client("quiet")
    for number in range(50):
        client(str(number)).send(100)
    until(lambda: len(served) >= 100)
    for _ in range(3):
        before = len(served)
        quiet.send()
        until(lambda: "quiet" in served[before:])  # noqa: B023
        assert served.index("quiet", before) - before <= 3 * SLICE / WORK
    counts = [served.count(str(number)) for number in range(50)]
    assert max(counts) - min(counts) <= 2


@pytest.mark.parametrize("address", ["192.0.2.1", "192.0.2.2"], ids=["their address", "another"])
def test_who_is_in_is_not_behind_those_who_come(
    client: Make, served: list[str], address: str
) -> None:
    inside = client("inside", address)
    for _ in range(200):
        client("newcomer", "tls 192.0.2.1", costly=True).send()
    for _ in range(5):
        until(lambda: served)
        before = len(served)
        inside.send(2)
        until(lambda: served[before:].count("inside") == 2)  # noqa: B023
        assert len(served) - before <= 6 * SLICE / WORK
    assert served.count("newcomer") < 200
    until(lambda: served.count("newcomer") == 200)


def test_newcomers_are_not_behind_those_who_flood(client: Make, served: list[str]) -> None:
    for number in range(50):
        client(str(number), "192.0.2.1").send(100)
    until(lambda: len(served) >= 100)
    before = len(served)
    client("newcomer", "tls 192.0.2.2", costly=True).send()
    until(lambda: "newcomer" in served)
    assert served.index("newcomer") - before <= 3 * SLICE / WORK


@pytest.mark.parametrize("again", [False, True], ids=["for bytes", "for its turn"])
def test_who_is_called_off_is_not_called(
    runtime: ByWork, client: Make, served: list[str], again: bool
) -> None:
    one = client("one")
    one.task.kill()
    with contextlib.suppress(gevent.Timeout), gevent.Timeout(0):
        (one.turnstile.give_way if again else one.turnstile.wait)()
    one.send()
    other = client("other")
    other.send()
    until(lambda: served == ["other"])
    # And may wait anew.
    one.turnstile.wait()
    assert one.here.recv(10) == b"\0"
    assert not runtime.rota.waiting or cast(Any, runtime.rota.waiting[0][-1]).waiting == []


def test_a_second_task_is_not_kept_waiting(client: Make) -> None:
    one = client("one")
    one.turnstile.wait()
    one.turnstile.give_way()
