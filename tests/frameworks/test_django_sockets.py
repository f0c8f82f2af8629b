"""Namespaces in a Django project: who is there, the database, and the language.

Served by ``runserver_socketio``, which patches early enough for connections of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import gevent
import pytest

from sockio.testing import EventFailed, Refused

from ..support.generations import LATER_WAYS, ways
from ..support.node import Node, SharedNode
from .contract import log_in
from .django_site import SITE, Site, serving


@pytest.fixture(scope="module")
def running_site() -> Iterator[Site]:
    with serving("--noreload") as site:
        yield site


@pytest.fixture(params=ways())
def site(running_site: Site, request: pytest.FixtureRequest) -> Site:
    """One server for all, with clients of each generation in turn."""
    running_site.way = request.param
    return running_site


# ---- Who is there


def test_dw02_a_handler_knows_the_user_of_the_handshake(site: Site) -> None:
    assert site.connect("/rooms", "ada").call("whoami") == ["ada", True]
    assert site.connect("/rooms").call("whoami") == ["", False]


def test_the_user_stays_who_it_was_after_a_log_out(site: Site) -> None:
    browser = site.visit("grace")
    client = browser.connect("/rooms", **site.way)
    assert browser.get("/logout").status == 302
    assert client.call("whoami") == ["grace", True]


def test_a_namespace_can_be_for_staff_only(site: Site) -> None:
    client = site.connect("", "ada")
    with pytest.raises(Refused):
        client.of("/staff")
    site.connect("/staff", "root")


def test_a_handler_reads_and_writes_the_session_of_now(site: Site) -> None:
    browser = site.visit("ada")
    here, there = browser.connect("/rooms", **site.way), browser.connect("/rooms", **site.way)
    assert here.call("remember", 42) is True
    assert there.call("recall") == 42


def test_a_session_that_ended_is_not_brought_back(site: Site) -> None:
    browser = site.visit("ada")
    client = browser.connect("/rooms", **site.way)
    browser.get("/logout")
    assert client.call("remember", 1) is True
    assert client.call("recall") is None


def test_without_a_session_one_is_asked_for(site: Site) -> None:
    with pytest.raises(EventFailed) as failed:
        site.connect("/rooms").call("remember", 1)
    assert failed.value.code == "internal_error"
    site.program.tells(r"(request\.session\.save\(\) in the view of the page)")


def test_texts_are_in_the_language_of_the_visitor(site: Site) -> None:
    browser = site.visit()
    browser.cookies["django_language"] = "de"
    assert browser.connect("/rooms", **site.way).call("yes") == "Ja"
    assert site.connect("/rooms").call("yes") == "Yes"


# ---- The database


def test_the_orm_works_in_handlers(site: Site) -> None:
    client = site.connect("/rooms")
    before = client.call("count")
    name = site.own("tea")
    assert client.call("create", name) == name
    assert client.call("count") == before + 1
    assert name in json.loads(site.visit().get("/rooms").text)["rooms"]


def test_every_event_has_a_connection_of_its_own(site: Site) -> None:
    clients = [site.connect("/rooms") for _ in range(4)]
    asking = [gevent.spawn(client.call, "connection") for client in clients]
    answers = [each.get() for each in asking]
    # All four were open at the same time, so their ids differ.
    assert len({mine for mine, _ in answers}) == 4
    assert all(still_mine for _, still_mine in answers)


def test_a_transaction_is_seen_by_nobody_else(site: Site) -> None:
    writing, reading = site.connect("/rooms"), site.connect("/rooms")
    slow = gevent.spawn(writing.call, "create slowly", "never")
    counts = {reading.call("count") for _ in range(5)}
    assert slow.get() is True
    assert len(counts) == 1


def test_p4_no_event_leaves_a_connection_open(site: Site) -> None:
    """CONN_MAX_AGE = None keeps connections for ever; a greenlet that ended cannot use its own."""
    before = site.open_database_files()
    cookies = site.visit("ada").cookies
    with_login = site.open_database_files()
    browsers = [site.visit() for _ in range(5)]
    for browser in browsers:
        # The handshake looks up the user, over the connection that then polls.
        browser.cookies.update(cookies)
    clients = [browser.connect("/rooms", **site.way) for browser in browsers]
    for client in clients:
        for event in ("whoami", "count", "connection", "query in a task"):
            client.call(event)
        assert client.call("query in a spawned task") == [True, True]
        with pytest.raises(EventFailed):
            client.call("fail")
    assert site.open_database_files() == with_login <= before + 1


def test_the_orm_works_beside_an_async_view(site: Site) -> None:
    """asyncio's loop in one greenlet is seen by all others, and Django forbids them the ORM."""
    client = site.connect("/rooms")
    visitor = site.visit()
    before = site.open_database_files()
    slow = gevent.spawn(visitor.get, "/slow?seconds=0.7")
    while not slow.ready():
        assert client.call("count") >= 0
    assert slow.get().text == "async"
    assert site.open_database_files() <= before


# ---- Sending from elsewhere


def test_ds20_a_view_emits_to_a_namespace(site: Site) -> None:
    client = site.connect("/rooms")
    staff = site.visit("root")
    assert staff.submit("/announce", text="fire drill").status == 200
    assert client.expect("announcement").args == ["fire drill"]
    assert site.visit("ada").submit("/announce", text="me too").status == 302


# ---- With the real client


@pytest.fixture
def cookies(running_site: Site) -> str:
    """The header of somebody who is logged in."""
    found = log_in(running_site.visit(), "ada").cookies
    return "; ".join(f"{name}={value}" for name, value in found.items())


@pytest.mark.e2e
def test_the_javascript_client_of_0_9_is_known_by_its_cookie(
    running_site: Site, cookies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    preload = SITE.parents[2] / "support" / "node_cookies.js"
    monkeypatch.setenv("NODE_OPTIONS", f"--require {preload}")
    node = Node()
    try:
        for transport in ("websocket", "xhr-polling"):
            url = f"{running_site.url}/rooms?cookie={quote(cookies)}"
            ada = node.connect(url, transport)
            ada.next("connect")
            assert ada.ask("whoami") == [["ada", True]]
            assert ada.ask("create", f"by {transport}") == [f"by {transport}"]
            stranger = node.connect(f"{running_site.url}/staff", transport)
            stranger.next("connect_failed")
    finally:
        node.kill()


@pytest.mark.e2e
@pytest.mark.parametrize("way", LATER_WAYS)
@pytest.mark.parametrize("version", ["2.5.0", "4.8.4"])
def test_so_are_later_ones(
    running_site: Site, shared_node: SharedNode, cookies: str, version: str, way: str
) -> None:
    for node in shared_node.use():
        ways, headers = LATER_WAYS[way], {"Cookie": cookies}
        # 2.x has the header for each transport; since 4.0 one is for all.
        each = {name: {"extraHeaders": headers} for name in ways}
        given = {"extraHeaders": headers, "transportOptions": each}
        ada = node.arrive(version, f"{running_site.url}/rooms", ways, **given)
        assert ada.ask("whoami") == [["ada", True]]
        assert ada.ask("create", f"by {version} {way}") == [f"by {version} {way}"]
        stranger = node.join(version, f"{running_site.url}/staff", ways, **given)
        # Before 3.0 a refusal has another name.
        stranger.next("connect_error" if version > "3" else "error")
