"""Ids that name their worker, and what somebody has invented."""

from __future__ import annotations

import re

import pytest

from sockio.sessions.ids import Ids, WorkerIds

KEY = bytes(range(32))


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


def test_an_invention_is_nobodys(ids: WorkerIds) -> None:
    sessid = ids.session()
    for at in range(len(sessid)):
        other = "A" if sessid[at] != "A" else "B"
        assert ids.owner(sessid[:at] + other + sessid[at + 1 :]) is None
    for invented in ("", sessid[:-1], sessid + "A", sessid[:-1] + "ä", " " * 32, Ids().session()):
        assert ids.owner(invented) is None
