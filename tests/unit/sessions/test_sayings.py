"""A line is written whatever a value or an exception of the application's does when it is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import gevent.event
import pytest
from greenlet import GreenletExit

from sockio import BaseNamespace, ConnectionRefused, EventRefused
from sockio.sessions.complaints import Complaints
from sockio.sessions.sayings import said
from sockio.testing import ManualRuntime

from ..conftest import MakeHouse

log = logging.getLogger("sockio.test_sayings")


class Wild(BaseException):
    """No Exception, as gevent's Timeout."""


def fails() -> Any:
    raise Wild("at all")


class Odd:
    """Says nothing, in any way."""

    def __str__(self) -> str:
        return str(fails())

    __repr__ = __str__


class NoText:
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]

    __repr__ = __str__


class OddError(Exception):
    def __str__(self) -> str:
        return str(fails())

    __repr__ = __str__


class OddCause(Exception):
    """Has what led to it say so when it is asked."""

    @property
    def __cause__(self) -> BaseException | None:  # type: ignore[override]
        raise Wild("no cause")


class OddNotes(Exception):
    __notes__ = [Odd(), "and\nmore"]  # noqa: RUF012


class OddParts(Exception):
    @property
    def exceptions(self) -> list[BaseException]:
        raise Wild("no parts")


ODD_ERRORS = [OddError, OddCause, OddNotes, OddParts]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "sockio")
    return lambda: [caplog.handler.format(record) for record in caplog.records]


@pytest.mark.parametrize("value", [Odd(), NoText()])
@pytest.mark.parametrize("form", ["%s", "%r"])
def test_a_value(
    runtime: ManualRuntime, lines: Callable[[], list[str]], value: object, form: str
) -> None:
    Complaints(runtime, 3).say(log, 40, "kind", "x", f"before {form} behind", value)
    (line,) = lines()
    assert f"before <{type(value).__name__}, which cannot be shown: " in line
    assert "> behind" in line


@pytest.mark.parametrize("kind", ODD_ERRORS)
def test_an_exception(
    runtime: ManualRuntime, lines: Callable[[], list[str]], kind: type[Exception]
) -> None:
    try:
        raise kind("some words")
    except kind:
        Complaints(runtime, 3).say(log, 40, "kind", "x", "it failed", exc_info=True)
    (line,) = lines()
    assert "it failed" in line
    # Where it was is told in any case.
    assert "in test_an_exception" in line
    assert kind.__name__ in line


@pytest.mark.parametrize("end", [GreenletExit, SystemExit, KeyboardInterrupt])
def test_what_ends_a_task_ends_it_behind_the_line(
    runtime: ManualRuntime, lines: Callable[[], list[str]], end: type[BaseException]
) -> None:
    class Ends:
        def __str__(self) -> str:
            raise end

    with pytest.raises(end):
        Complaints(runtime, 3).say(log, 40, "kind", "x", "before %s behind", Ends())
    assert f"before <Ends, which cannot be shown: {end.__name__}> behind" in lines()[0]
    with pytest.raises(end):
        said(Ends())


class OddFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise RuntimeError("no filter")


@pytest.fixture
def filtered() -> Iterator[None]:
    odd = OddFilter()
    namespaces = logging.getLogger("sockio.namespace")
    for logger in (log, namespaces):
        logger.addFilter(odd)
    yield
    for logger in (log, namespaces):
        logger.removeFilter(odd)


def test_a_filter_that_fails_loses_no_line(
    runtime: ManualRuntime, filtered: None, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise KeyError("here")
    except KeyError:
        Complaints(runtime, 3).say(log, 40, "kind", "x", "before %s", "behind", exc_info=True)
    Complaints(runtime, 3).say(log, 30, "kind", "x", "and %d", 1)
    written = capsys.readouterr().err
    assert f"ERROR {log.name}: before behind\nTraceback" in written
    assert "KeyError: 'here'\nThe line could not be logged: RuntimeError('no filter')" in written
    assert f"WARNING {log.name}: and 1\nThe line could not" in written


class Strange(BaseNamespace):
    error_kind: type[BaseException] = OddError

    def on_fail(self) -> None:
        raise type(self).error_kind("some words")

    def on_refuse(self) -> None:
        raise EventRefused("odd", Odd())  # type: ignore[arg-type]

    def on_later(self) -> None:
        self.spawn(self.on_fail)

    def on_ask(self) -> str:
        return "still here"


@pytest.mark.parametrize("kind", ODD_ERRORS)
@pytest.mark.parametrize("how", ["fail", "later"])
def test_a_handler_s_exception_is_logged_and_the_client_goes_on(
    house: MakeHouse, lines: Callable[[], list[str]], kind: type[BaseException], how: str
) -> None:
    Strange.error_kind = kind
    client = house({"": Strange}).client()
    heard = client.sends(f'5:1+::{{"name":"{how}"}}')
    assert heard[0].startswith("6:::1")
    assert client.sends('5:2+::{"name":"ask"}') == ['6:::2+["still here"]']
    failed = [line for line in lines() if "failed" in line]
    assert len(failed) == 1
    assert "in on_fail" in failed[0]
    client.hangs_up()


def test_with_a_filter_that_fails_too(
    house: MakeHouse, filtered: None, capsys: pytest.CaptureFixture[str]
) -> None:
    Strange.error_kind = OddError
    client = house({"": Strange}).client()
    assert client.sends('5:1+::{"name":"fail"}')[0].startswith("6:::1")
    assert client.sends('5:2+::{"name":"ask"}') == ['6:::2+["still here"]']
    client.hangs_up()


class Closed(BaseNamespace):
    def recv_connect(self) -> None:
        raise ConnectionRefused(Odd())  # type: ignore[arg-type]


def test_a_refusal_that_says_nothing_refuses(
    house: MakeHouse, lines: Callable[[], list[str]]
) -> None:
    client = house({"": BaseNamespace, "/closed": Closed}).client()
    assert client.sends("1::/closed") == ["7::/closed:1+0"] or client.socket.connected
    assert "/closed" not in client.socket.active_ns
    assert any("refused" in line and "cannot be shown" in line for line in lines())
    client.hangs_up()


def test_rooms_and_data_that_cannot_be_told_to_other_workers() -> None:
    from sockio.backplane.returns import _odd
    from sockio.backplane.wire import check_rooms
    from sockio.exceptions import UsageError

    with pytest.raises(UsageError, match="<Odd, which cannot be shown: Wild> can be no room"):
        check_rooms([Odd()])
    assert "<Odd, which" in _odd({Odd(): 1})


def test_nobody_waits_for_a_value_that_takes_its_time(
    runtime: ManualRuntime, lines: Callable[[], list[str]]
) -> None:
    """Said from the event loop, it is shown by a task of its own."""
    ready = gevent.event.Event()

    class Slow:
        def __str__(self) -> str:
            ready.wait()
            return "slow"

    Complaints(runtime, 3).say(log, 40, "kind", "x", "it is %s", Slow(), quiet=True)
    assert lines() == []
    ready.set()
    runtime.settle()
    assert "it is slow" in lines()[0]
