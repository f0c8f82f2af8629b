"""How many sessions there may be, and which of them makes room for a newcomer."""

from __future__ import annotations

from typing import Any

import gevent
import gevent.event
import pytest

from sockio import BaseNamespace, Reason
from sockio.exceptions import RequestRefused
from sockio.sessions.crowd import AWAY, LOOKS, Crowd, network_of
from sockio.virtsocket import Socket

from ...support.carriers import Client, House
from ..conftest import MakeHouse

ONE, OTHER = "10.0.0.1", "10.0.0.2"


class Told(BaseNamespace):
    def recv_disconnect(self, reason: str) -> None:
        self.session["told"] = reason


def once(home: House, address: str = ONE) -> Client:
    """A client that polled once, and was not seen again."""
    client = Client(home, address)
    assert client.polls().answer == ["1::"]
    return client


def away(home: House, address: str = ONE) -> Client:
    """A client that came back, and has no transport at the moment."""
    client = once(home, address)
    client.polls().hangs_up()
    return client


def streaming(home: House, address: str = ONE) -> Client:
    client = Client(home, address).opens()
    home.runtime.settle()
    return client


def filed(crowd: Crowd[Socket]) -> tuple[int, list[Socket], list[Socket]]:
    """How many are in it, those that are fleeting, those that have been away."""
    return len(crowd), list(crowd.fleeting), list(crowd.away)


def there(home: House) -> set[Socket]:
    return set(home.registry.sockets.values())


# ---- max_unopened


def test_who_polled_once_and_left_counts_as_who_never_opened(house: MakeHouse) -> None:
    home = house({"": Told}, max_unopened=2)
    first = once(home)
    others = [home.handshake(ONE), once(home).socket]
    assert there(home) == set(others)
    assert first.socket.session["told"] == Reason.EVICTED


@pytest.mark.parametrize("use", [away, streaming])
def test_who_came_back_does_not(house: MakeHouse, use: Any) -> None:
    home = house({"": Told}, max_unopened=1)
    used = [use(home) for _ in range(3)]
    home.handshake(ONE)
    newest = home.handshake(ONE)
    assert there(home) == {*(client.socket for client in used), newest}


def test_nobody_loses_a_session_while_a_poll_is_open(house: MakeHouse) -> None:
    home = house({}, max_unopened=1)
    waiting = Client(home)
    assert waiting.polls().answer == ["1::"]
    assert waiting.polls().answer is None
    for _ in range(5):
        home.handshake(ONE)
    assert waiting.socket.connected


def test_a_flood_takes_no_place_from_other_addresses(house: MakeHouse) -> None:
    home = house({"": Told}, max_unopened=3)
    kept = [home.handshake(OTHER) for _ in range(3)]
    for _ in range(50):
        home.handshake(ONE)
    assert there(home) > set(kept)
    assert len(home.registry) == 6


def test_what_was_evicted_is_said_in_bounds(
    house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    home = house({"": Told}, max_unopened=1, log_lines=2)
    for _ in range(50):
        home.handshake(ONE)
    home.runtime.settle()
    lines = [line for line in caplog.messages if "[evicted]" in line]
    assert len(lines) == 2
    assert "10.0.0.1 has too many sessions (max_unopened)" in lines[0]


# ---- max_sessions


@pytest.mark.parametrize("limits", [(3, 0), (0, 3)], ids=["of one address", "of all"])
def test_unused_sessions_make_room_oldest_first(house: MakeHouse, limits: tuple[int, int]) -> None:
    home = house({"": Told}, max_sessions=limits)
    live = streaming(home).socket
    unopened, polled = home.handshake(ONE), once(home).socket
    third = home.handshake(ONE)
    assert there(home) == {live, polled, third}
    fourth = home.handshake(ONE)
    assert there(home) == {live, third, fourth}
    assert unopened.close_reason == polled.close_reason == Reason.EVICTED


def test_then_goes_who_has_been_away(house: MakeHouse) -> None:
    home = house({"": Told}, max_sessions=3)
    live, gone, later = streaming(home), away(home), away(home)
    with pytest.raises(RequestRefused, match="503"):
        home.handshake(ONE)
    home.runtime.advance(AWAY)
    later.polls()
    newcomer = home.handshake(ONE)
    home.runtime.settle()
    assert gone.socket.session["told"] == Reason.EVICTED
    assert there(home) == {live.socket, later.socket, newcomer}


def test_a_live_transport_is_never_ended_for_a_newcomer(house: MakeHouse) -> None:
    home = house({"": Told}, max_sessions=3)
    clients = [streaming(home), streaming(home), away(home)]
    assert clients[2].polls().answer is None
    home.runtime.advance(AWAY + 1)
    with pytest.raises(RequestRefused, match="503") as refused:
        home.registry.check_room_for(ONE)
    assert refused.value.code == "too-many-sessions"
    assert "10.0.0.1 has 3 sessions" in refused.value.detail
    home.registry.check_room_for(OTHER)
    clients[0].hangs_up()
    home.registry.check_room_for(ONE)


def test_who_is_away_is_found_among_many_that_are_not(house: MakeHouse) -> None:
    many = 3 * LOOKS
    home = house({"": Told}, max_sessions=many + 1)
    clients = [streaming(home) for _ in range(many)]
    gone = away(home)
    home.runtime.advance(AWAY)
    for _ in range(4):
        # So many are looked at for each newcomer, and then others.
        try:
            home.registry.check_room_for(ONE)
        except RequestRefused:
            continue
        break
    home.handshake(ONE)
    assert gone.socket.close_reason == Reason.EVICTED
    assert all(client.socket.connected for client in clients)


@pytest.mark.parametrize("limits", [(3, 0), (0, 3)], ids=["of one address", "of all"])
def test_handlers_that_do_not_end_are_counted(house: MakeHouse, limits: tuple[int, int]) -> None:
    release = gevent.event.Event()

    class Stuck(BaseNamespace):
        def recv_connect(self) -> None:
            release.wait()

    home = house({"": Stuck}, max_sessions=limits)
    for _ in range(3):
        streaming(home).hangs_up()
    home.runtime.settle()
    assert there(home) == set()
    with pytest.raises(RequestRefused, match="503") as refused:
        home.handshake(ONE)
    assert refused.value.code == "too-many-sessions"
    assert "3 more wait for handlers to end" in refused.value.detail
    release.set()
    home.runtime.settle()
    home.handshake(ONE)


def test_who_has_a_transport_is_counted_and_kept_in_no_order(house: MakeHouse) -> None:
    home = house({})
    live = streaming(home).socket
    crowd = live.crowd
    assert crowd is not None
    assert filed(crowd) == (1, [], [])
    polling = once(home)
    assert filed(crowd) == (2, [polling.socket], [])
    poll = polling.polls()
    assert filed(crowd) == (2, [], [])
    poll.hangs_up()
    assert filed(crowd) == (2, [], [polling.socket])
    # From then on it keeps its place.
    polling.polls()
    assert filed(crowd) == (2, [], [polling.socket])
    home.registry.check()
    live.disconnect()
    home.runtime.settle()
    assert filed(crowd) == (1, [], [polling.socket])


def test_all_addresses_together_are_bounded(house: MakeHouse) -> None:
    home = house({"": Told}, max_sessions=(2, 5))
    for number in range(20):
        home.handshake(f"10.0.1.{number}")
    assert len(home.registry) == 5
    home.registry.check()


def test_there_may_be_no_limit(house: MakeHouse) -> None:
    home = house({"": Told}, max_sessions="0, 0")
    clients = [streaming(home) for _ in range(50)]
    assert len(home.registry) == len(clients)


# ---- what counts as one address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:DB8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("64:ff9b::192.0.2.7", "192.0.2.7"),
        ("2002:c000:0207:1::1", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("no address", "no address"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_sessions_of_one_network_count_together(house: MakeHouse) -> None:
    home = house({"": Told}, max_unopened=2)
    for number in range(10):
        home.handshake(f"2001:db8::{number:x}")
    assert len(home.registry) == 2
