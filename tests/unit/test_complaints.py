"""What clients cause in the log: bounded by kind, address and time, and nothing forged in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sockio import complaints as module
from sockio.complaints import Complaints, printable
from sockio.testing import ManualRuntime

log = logging.getLogger("sockio.test_complaints")


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines so far, made anew whenever they are looked at."""
    caplog.set_level(logging.INFO, log.name)

    class Lines(list[str]):
        def __iter__(self) -> Iterator[str]:
            return iter([record.getMessage() for record in caplog.records])

        def __len__(self) -> int:
            return len(caplog.records)

    return Lines()


def refuse(complaints: Complaints, kind: str = "bad-origin", address: str = "10.0.0.1") -> None:
    complaints.say(log, logging.WARNING, kind, address, "refused %s", "this")


def test_lines_of_one_kind_about_one_address_are_limited(
    runtime: ManualRuntime, said: list[str]
) -> None:
    complaints = Complaints(runtime, 3)
    for _ in range(50):
        refuse(complaints)
    assert list(said) == [
        "refused this",
        "refused this",
        "refused this (more of this kind within a minute are only counted)",
    ]


def test_what_was_left_out_is_counted_when_its_minute_is_over(
    runtime: ManualRuntime, said: list[str]
) -> None:
    complaints = Complaints(runtime, 3)
    for _ in range(50):
        refuse(complaints)
    runtime.advance(59)
    assert len(said) == 3
    runtime.advance(1)
    assert list(said)[3:] == [
        "47 more lines of this kind [bad-origin] about 10.0.0.1 were left out in the last minute"
    ]
    assert runtime.timers == 0
    refuse(complaints)
    assert list(said)[4:] == ["refused this"]


def test_another_kind_and_another_address_are_written(
    runtime: ManualRuntime, said: list[str]
) -> None:
    complaints = Complaints(runtime, 1)
    for _ in range(9):
        refuse(complaints)
        refuse(complaints, "handler-failed")
        refuse(complaints, address="10.0.0.2")
    assert len(said) == 3


def test_a_mute_minute_costs_no_timer_while_nothing_is_left_out(runtime: ManualRuntime) -> None:
    refuse(Complaints(runtime, 3))
    assert runtime.timers == 0


def test_the_end_of_the_server_says_what_was_left_out(
    runtime: ManualRuntime, said: list[str]
) -> None:
    complaints = Complaints(runtime, 1)
    for _ in range(5):
        refuse(complaints)
    complaints.close()
    runtime.settle()
    assert "4 more lines" in list(said)[-1]
    assert runtime.timers == 0


def test_clients_of_many_addresses_cannot_fill_the_memory_nor_the_log(
    runtime: ManualRuntime, said: list[str]
) -> None:
    complaints = Complaints(runtime, 2)
    for number in range(module.WINDOWS + 500):
        refuse(complaints, address=f"10.1.{number // 256}.{number % 256}")
    assert len(said) == module.WINDOWS + 2
    assert len(complaints._windows) == module.WINDOWS + 1
    runtime.advance(60)
    assert "498 more lines of this kind [of several kinds] about several clients" in list(said)[-1]
    refuse(complaints)
    assert len(complaints._windows) == 1


@pytest.mark.parametrize("level", [pytest.param(logging.DEBUG, id="the logger is at DEBUG")])
def test_whoever_watches_sees_every_line(
    runtime: ManualRuntime, said: list[str], caplog: pytest.LogCaptureFixture, level: int
) -> None:
    caplog.set_level(level, log.name)
    complaints = Complaints(runtime, 1)
    for _ in range(50):
        refuse(complaints)
    assert len(said) == 50


def test_under_reload_nothing_is_muted(
    runtime: ManualRuntime, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_never", False)
    module.never_mute()
    complaints = Complaints(runtime, 1)
    for _ in range(50):
        refuse(complaints)
    assert len(said) == 50


def test_zero_lines_is_all_of_them(runtime: ManualRuntime, said: list[str]) -> None:
    complaints = Complaints(runtime, 0)
    for _ in range(50):
        refuse(complaints)
    assert len(said) == 50


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain ☃", "plain ☃", id="what can be printed stays"),
        pytest.param("\x1b[2J\x1b[31mGET", "\\x1b[2J\\x1b[31mGET", id="terminal escapes"),
        pytest.param("a\r\nWARNING forged", "a\\r\\nWARNING forged", id="a forged line"),
        pytest.param(
            "a\u2028b\u202ec\x85", "a\\u2028b\\u202ec\\x85", id="what unicode ends lines by"
        ),
        pytest.param("\ud83c", "\\ud83c", id="a lone surrogate, which no handler could encode"),
    ],
)
def test_text_of_a_client_is_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_text_of_a_client_is_cut(runtime: ManualRuntime, said: list[str]) -> None:
    Complaints(runtime, 3).say(log, 30, "kind", "x", "%s %r %d", "a" * 10**6, ["b" * 10**6], 7)
    line = next(iter(said))
    assert len(line) < 1000
    assert "[... 999800 characters ...]" in line
    assert line.endswith(" 7")


def test_a_traceback_is_cut_and_not_kept_whole(
    runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, log.name)
    try:
        raise KeyError("x" * 10**6)
    except KeyError:
        Complaints(runtime, 3).say(log, 40, "failed", "x", "failed", exc_info=True)
    text = caplog.text
    assert "Traceback" in text
    assert "test_a_traceback_is_cut" in text
    assert len(text) < module.TRACEBACK + 1000


def test_from_the_event_loop_a_task_writes(runtime: ManualRuntime, said: list[str]) -> None:
    Complaints(runtime, 3).say(log, 30, "kind", "x", "later", quiet=True)
    assert len(said) == 0
    runtime.settle()
    assert list(said) == ["later"]


def test_what_nobody_listens_to_costs_nothing(runtime: ManualRuntime, said: list[str]) -> None:
    class Unreadable:
        def __str__(self) -> Any:
            raise AssertionError

    Complaints(runtime, 3).say(log, logging.DEBUG, "kind", "x", "%s", Unreadable())
    assert len(said) == 0
