"""Tasks that belong to somebody and end with it."""

from __future__ import annotations

import logging
from typing import Any

import gevent
import pytest
from gevent.event import Event

from sockio.sessions.complaints import Complaints
from sockio.sessions.jobs import Jobs
from sockio.testing import ManualRuntime


class Client:
    def __init__(self, runtime: ManualRuntime) -> None:
        self.runtime = runtime
        self.complaints = Complaints(runtime, 3)

    def complain(
        self, logger: logging.Logger, level: int, kind: Any, *line: Any, **more: Any
    ) -> None:
        self.complaints.say(logger, level, kind, "10.0.0.1", *line, **more)


@pytest.fixture
def jobs(runtime: ManualRuntime) -> Jobs:
    return Jobs("the owner", Client(runtime))


def test_a_task_gets_its_arguments_and_leaves_when_it_ends(
    jobs: Jobs, runtime: ManualRuntime
) -> None:
    seen: list[Any] = []
    jobs.spawn(lambda *args, **kwargs: seen.append((args, kwargs)), 1, 2, three=3)
    assert len(jobs) == 1
    runtime.settle()
    assert seen == [((1, 2), {"three": 3})]
    assert list(jobs) == []


def test_d39_whatever_can_be_called_can_be_a_task(jobs: Jobs, runtime: ManualRuntime) -> None:
    class Nameless:
        called = False

        def __call__(self) -> None:
            self.called = True

    nameless = Nameless()
    jobs.spawn(nameless)
    runtime.settle()
    assert nameless.called


def test_d39_a_task_that_fails_is_logged_under_its_owners_name(
    jobs: Jobs, runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    jobs.spawn(lambda: 1 / 0)
    runtime.settle()
    assert "the owner: a spawned task failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert len(jobs) == 0


def test_tasks_that_fail_the_same_way_again_and_again_do_not_fill_the_log(
    jobs: Jobs, runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        jobs.spawn(_fail, f"for another reason: {number}")
    jobs.spawn(lambda: 1 / 0)
    runtime.settle()
    failed = [record for record in caplog.records if "a spawned task failed" in record.message]
    assert len(failed) == 3 + 1
    assert "ZeroDivisionError" in caplog.text


def test_a_task_that_times_out_is_a_failure_like_any_other(
    jobs: Jobs, runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    """gevent's Timeout is no Exception, and would be printed by the loop, however often."""

    def time_out() -> None:
        raise gevent.Timeout(1)

    for _ in range(20):
        jobs.spawn(time_out)
    runtime.settle()
    assert caplog.text.count("a spawned task failed") == 3


def _fail(why: str) -> None:
    raise ValueError(why)


def test_killing_ends_the_waiting_and_those_that_did_not_start_yet(
    jobs: Jobs, runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    door = Event()
    ended: list[str] = []

    def wait() -> None:
        try:
            door.wait()
        finally:
            ended.append("waiting")

    waiting = jobs.spawn(wait)
    runtime.settle()
    unstarted = jobs.spawn(ended.append, "unstarted")
    jobs.kill()
    assert len(jobs) == 0
    runtime.settle()
    assert waiting.dead  # type: ignore[attr-defined]
    assert unstarted.dead  # type: ignore[attr-defined]
    assert ended == ["waiting"]
    assert caplog.text == ""  # to be killed is no failure


def test_d22_a_task_may_end_its_owner(jobs: Jobs, runtime: ManualRuntime) -> None:
    """It is killed at its next switch: what it does until then is still done."""
    story: list[str] = []

    def last_one() -> None:
        jobs.kill()
        story.append("after the kill")

    jobs.spawn(last_one)
    runtime.settle()
    assert story == ["after the kill"]


def test_after_a_kill_there_may_be_new_tasks(jobs: Jobs, runtime: ManualRuntime) -> None:
    seen: list[int] = []
    jobs.kill()
    jobs.spawn(seen.append, 1)
    runtime.settle()
    assert seen == [1]


def test_after_the_end_there_are_none(jobs: Jobs, runtime: ManualRuntime) -> None:
    """A handler that was overtaken by the end of its namespace may still try."""
    door = Event()
    seen: list[int] = []
    waiting = jobs.spawn(door.wait)
    jobs.end()
    late = jobs.spawn(seen.append, 1)
    runtime.settle()
    assert waiting.dead  # type: ignore[attr-defined]
    assert late.dead  # type: ignore[attr-defined]
    assert seen == []
    assert len(jobs) == 0
