"""Ids that name their worker, and what somebody has invented."""

from __future__ import annotations

import re

import pytest

from sockio.sessions.ids import Ids, WorkerIds, cut

KEY = bytes(range(32))


@pytest.mark.parametrize(
    "prefix", ["", "a.", "a~prefix~.", "a-prefix-as-long-as-any-may-ever-be..40-"]
)
def test_what_is_shown_tells_them_apart(ids: WorkerIds, prefix: str) -> None:
    for each, shown in ((ids, 4 + 6), (Ids(), 6)):
        sessid = each.session()
        assert each.shown == shown
        if len(prefix) < 12 or each is ids:
            assert cut(prefix + sessid) == f"{prefix}{sessid[:shown]}…"
        # Whatever it is taken for, as much is left out as nobody guesses.
        assert len(cut(prefix + sessid)) <= len(prefix) + shown + 1


@pytest.fixture
def ids() -> WorkerIds:
    return WorkerIds("ab-_", KEY)


def test_their_lengths_are_those_of_the_reference(ids: WorkerIds) -> None:
    for each, length in (
        (Ids().session(), 20),
        (Ids().name(), 20),
        (ids.name(), 20),
        (ids.session(), 32),
    ):
        assert re.fullmatch(r"[A-Za-z0-9_-]+", each, re.ASCII)
        assert len(each) == length
    assert ids.name()[:4] == ids.session()[:4] == "ab-_"


def test_whose_a_session_is_shows_in_every_worker(ids: WorkerIds) -> None:
    sessid = ids.session()
    assert ids.owner(sessid) == WorkerIds("cdef", KEY).owner(sessid) == "ab-_"
    assert WorkerIds("cdef", KEY[::-1]).owner(sessid) is None


def test_a_name_is_known_for_one_in_every_process(ids: WorkerIds) -> None:
    elsewhere = WorkerIds("cdef", KEY[::-1])
    for name in (ids.name(), Ids().name()):
        assert ids.is_name(name)
        assert elsewhere.is_name(name)
        assert Ids().is_name(name)
        for other in (name[:-1] + ("A" if name[-1] != "A" else "B"), name[1:], name + "A"):
            assert not ids.is_name(other)
    for room in ("", "lobby", "twenty characters ok", "zwanzig Zeichen für "):
        assert not ids.is_name(room)
    # Of clients of 0.9 it is the session's id.
    assert ids.is_name(ids.session())
    assert not ids.is_name(elsewhere.session())


def test_an_invention_is_nobodys(ids: WorkerIds) -> None:
    sessid = ids.session()
    for at in range(len(sessid)):
        other = "A" if sessid[at] != "A" else "B"
        assert ids.owner(sessid[:at] + other + sessid[at + 1 :]) is None
    for invented in ("", sessid[:-1], sessid + "A", sessid[:-1] + "ä", " " * 32, Ids().session()):
        assert ids.owner(invented) is None
