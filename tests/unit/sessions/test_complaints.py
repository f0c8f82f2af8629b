"""What clients cause in the log: bounded by kind, address and time, and nothing forged in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sockio.sessions import complaints as module
from sockio.sessions.complaints import Complaints, debug_logger
from sockio.sessions.crowd import network_of
from sockio.sessions.sayings import TRACEBACK, at_length, printable
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
    for number in range(3000):
        refuse(complaints, address=f"10.1.{number // 256}.{number % 256}")
    written = len(said)
    assert written == 2 * module.ALL + 2
    assert len(complaints._loud.of) <= module.ADDRESSES + 1
    runtime.advance(60)
    assert list(said)[written:] == [
        f"{3000 - written} more lines of this kind [bad-origin] about several clients were left "
        "out in the last minute"
    ]
    assert not complaints._loud.of
    assert runtime.timers == 0
    refuse(complaints)
    assert list(said)[-1] == "refused this"


def test_addresses_that_are_counted_apart_are_limited(
    runtime: ManualRuntime, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ADDRESSES", 5)
    complaints = Complaints(runtime, 2)
    for number in range(50):
        refuse(complaints, address=f"10.1.0.{number}")
    assert len(said) == 5 + 2
    assert len(complaints._loud.of) == 5 + 1


def test_a_client_with_many_kinds_cannot_fill_the_log(
    runtime: ManualRuntime, said: list[str]
) -> None:
    complaints = Complaints(runtime, 2)
    for _ in range(3):
        for number in range(1000):
            refuse(complaints, f"kind {number}")
    assert len(said) <= 2 * module.AN_ADDRESS + module.KINDS
    runtime.advance(60)
    assert "of this kind [sockio.test_complaints WARNING] about 10.0.0.1" in list(said)[-1]


def test_another_kind_is_seen_whatever_came_before(runtime: ManualRuntime, said: list[str]) -> None:
    complaints = Complaints(runtime, 2)
    for _ in range(100):
        for number in range(30):
            refuse(complaints, f"kind {number}")
    before = len(said)
    complaints.say(log, logging.ERROR, "handler-failed", "10.0.0.1", "a handler failed")
    assert list(said)[before:] == [
        "a handler failed (more of this kind within a minute are only counted)"
    ]


def test_the_type_of_an_exception_is_a_part_of_its_kind(
    runtime: ManualRuntime, said: list[str]
) -> None:
    complaints = Complaints(runtime, 2)
    for error in [ValueError(), KeyError()] * 5:
        complaints.say(log, 40, ("failed", "on_go"), "10.0.0.1", "failed", exc_info=error)
    assert len(said) == 4
    runtime.advance(60)
    assert list(said)[4:] == [
        f"3 more lines of this kind [failed on_go {name}] about 10.0.0.1 were left out in the last "
        "minute"
        for name in ("ValueError", "KeyError")
    ]


def test_lines_at_info_are_more_and_never_mute_warnings(
    runtime: ManualRuntime, said: list[str]
) -> None:
    complaints = Complaints(runtime, 2)
    for _ in range(100):
        complaints.say(log, logging.INFO, "open", "10.0.0.1", "open")
    assert len(said) == 2 * module.CALM
    refuse(complaints, "open")
    assert list(said)[-1] == "refused this"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        pytest.param("10.0.0.1", "10.0.0.1", id="IPv4"),
        pytest.param("2001:db8:1:2:a:b:c:d", "2001:db8:1:2::/64", id="IPv6: its network"),
        pytest.param("2001:db8:1:2::1", "2001:db8:1:2::/64", id="another of that network"),
        pytest.param("fe80::1%eth0", "fe80::/64", id="with a zone"),
        pytest.param("::ffff:10.0.0.1", "10.0.0.1", id="IPv4 in IPv6"),
        pytest.param("::1", "::/64", id="loopback"),
        pytest.param("", "", id="a unix socket"),
        pytest.param("unknown:" + "x" * 1000, "unknown:" + "x" * 56, id="whatever a proxy says"),
        pytest.param("x" * 1000, "x" * 64, id="and that without a colon"),
    ],
)
def test_what_an_address_is_counted_by(address: str, network: str) -> None:
    assert network_of(address) == network


def test_all_addresses_of_one_subscriber_are_counted_together(
    runtime: ManualRuntime, said: list[str]
) -> None:
    complaints = Complaints(runtime, 3)
    for number in range(500):
        refuse(complaints, address=f"2001:db8::{number:x}")
    assert len(said) == 3


def test_the_number_of_lines_may_be_changed(runtime: ManualRuntime, said: list[str]) -> None:
    complaints = Complaints(runtime, 5)
    for lines in (5, 2, 8, 0):
        complaints.lines = lines
        for _ in range(10):
            refuse(complaints)
    assert len(said) == 5 + 0 + 3 + 10


def test_what_is_left_out_after_the_end_sets_no_timer(
    runtime: ManualRuntime, said: list[str]
) -> None:
    complaints = Complaints(runtime, 1)
    complaints.close()
    refuse(complaints)
    refuse(complaints)
    assert runtime.timers == 0
    complaints.close()
    runtime.settle()
    assert "1 more lines" in list(said)[-1]
    complaints.reopen()
    refuse(complaints)
    refuse(complaints)
    assert runtime.timers == 1


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


def test_advice_with_a_clients_text_in_it_is_longer(
    runtime: ManualRuntime, said: list[str]
) -> None:
    advice = "origin " + "x" * 300 + " is not allowed. Set origins=[...] to allow it.\n"
    Complaints(runtime, 3).say(log, 30, "kind", "x", "refused%s", at_length(advice))
    assert list(said) == ["refused" + advice.replace("\n", "\\n")]


def _logged(error: BaseException, runtime: ManualRuntime, caplog: pytest.LogCaptureFixture) -> str:
    caplog.set_level(logging.INFO, log.name)
    try:
        raise error
    except BaseException:
        Complaints(runtime, 3).say(log, 40, "failed", "x", "failed", exc_info=True)
    return caplog.text


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("bad\n2026-01-01 ERROR root: forged\x1b[2J"), id="what it says"),
        pytest.param(SyntaxError("bad\n2026-01-01 ERROR root: forged\x1b[2J"), id="a syntax error"),
        pytest.param(OSError(1, "bad\n2026-01-01 ERROR root: forged\x1b[2J"), id="two arguments"),
    ],
)
def test_what_an_exception_says_forges_no_line(
    runtime: ManualRuntime, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    text = _logged(error, runtime, caplog)
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith("2026")]
    assert "forged" in text


def test_nor_do_those_that_led_to_it(
    runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    error = RuntimeError("after that")
    error.__cause__ = LookupError("first")
    error.__cause__.__context__ = ValueError("bad\n2026-01-01 ERROR root: forged\x1b[2J")
    # A note (3.11), as add_note() keeps it.
    error.__notes__ = ["note\n2026-01-01 ERROR root: forged"]  # type: ignore[attr-defined]
    text = _logged(error, runtime, caplog)
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith("2026")]
    assert "LookupError: first" in text


def test_an_exception_that_cannot_be_shown_is_logged(
    runtime: ManualRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise LookupError

    assert "Mute" in _logged(Mute(), runtime, caplog)


def test_lines_of_another_library_are_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    logger = debug_logger("sockio.test_complaints.library")
    logger.setLevel(logging.INFO)
    logger.error("opening handshake failed")
    assert caplog.records == []
    logger.setLevel(logging.DEBUG)
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        logger.exception("failed: %s %d", "\x1b" * 1000, 7)
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert "\x1b" not in caplog.text
    assert "characters" in caplog.text


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
    assert len(text) < TRACEBACK + 1000


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
