"""Functions of which a call runs nothing, and values that are no answer."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import enum
import functools
import http
import operator
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple
from unittest.mock import MagicMock, Mock

import gevent
import pytest
import webob

from sockio.config import Settings
from sockio.config.plain import check_gate, check_has_run, kind_of, says_yes
from sockio.exceptions import (
    ConnectionRefused,
    EventRefused,
    RateLimited,
    SettingsError,
    UsageError,
)


async def coroutine(*args: Any) -> bool:
    return False


def generator(*args: Any) -> Iterator[bool]:
    yield False


async def agenerator(*args: Any) -> AsyncIterator[bool]:
    yield False


def plain(*args: Any) -> bool:
    return False


class Called:
    """Objects that are called: ``Called(function)(...)`` is not ``function(...)``."""

    async def __call__(self, *args: Any) -> bool:
        return False

    async def method(self, *args: Any) -> bool:
        return False


class Yes:
    def __call__(self, *args: Any) -> bool:
        return True


@functools.wraps(coroutine)
def runs_it(*args: Any) -> bool:
    """What asgiref's async_to_sync is."""
    return asyncio.run(coroutine(*args))


LATER = [
    pytest.param(coroutine, "a coroutine function", id="async def"),
    pytest.param(generator, "a generator function", id="yield"),
    pytest.param(agenerator, "an asynchronous generator function", id="async def, yield"),
    pytest.param(functools.partial(coroutine, 1), "a coroutine function", id="partial"),
    pytest.param(
        functools.partial(functools.partial(generator, 1), 2), "a generator function", id="twice"
    ),
    pytest.param(Called(), "a coroutine function", id="async __call__"),
    pytest.param(functools.partial(Called(), 1), "a coroutine function", id="partial of that"),
    pytest.param(Called().method, "a coroutine function", id="bound method"),
    pytest.param(staticmethod(coroutine), "a coroutine function", id="staticmethod"),
    pytest.param(classmethod(coroutine), "a coroutine function", id="classmethod"),
]
#: What is a plain function, whatever is inside of it.
AT_ONCE = [
    pytest.param(plain, id="def"),
    pytest.param(runs_it, id="def around a coroutine function"),
    pytest.param(contextlib.contextmanager(generator), id="contextmanager"),
    pytest.param(functools.partial(plain, 1), id="partial"),
    pytest.param(Yes(), id="__call__"),
    pytest.param(print, id="built in"),
    pytest.param(lambda: coroutine(), id="lambda"),
    pytest.param(MagicMock(), id="a mock"),
]


@pytest.mark.parametrize(("function", "kind"), LATER)
def test_what_would_run_nothing_is_known(function: Any, kind: str) -> None:
    assert kind_of(function) == kind


@pytest.mark.parametrize("function", AT_ONCE)
def test_plain_functions_are_plain(function: Any) -> None:
    assert kind_of(function) == ""
    check_gate(function, "it")


@pytest.mark.parametrize(
    "name",
    [
        "authorize",
        "origins",
        "context",
        "job_context",
        "error_handler",
        "json_loads",
        "json_dumps",
        "json_default",
        "on_gap",
    ],
)
@pytest.mark.parametrize(("function", "kind"), LATER[:6])
def test_no_setting_takes_one(name: str, function: Any, kind: str) -> None:
    with pytest.raises(SettingsError, match=f"setting {name}=.*: it is {kind}.*plain function"):
        Settings.make({name: function})


def test_a_class_whose_objects_are_all_true_is_no_gate() -> None:
    with pytest.raises(SettingsError, match=r"the class Yes.*Yes\(\)"):
        Settings.make(authorize=Yes)
    Settings.make(authorize=Yes())
    # One whose objects can be false may decide.
    Settings.make(authorize=type("Check", (), {"__init__": plain, "__bool__": plain}))


class Answer(NamedTuple):
    allowed: bool
    why: str


class Status(enum.Enum):
    DENIED = 0
    GUEST = 1


class Response:
    """As those of most libraries are."""

    def __init__(self, status: int) -> None:
        self.status_code = status
        self.headers: dict[str, str] = {}


class User:
    """Its status has nothing to do with HTTP."""

    status = 404


@pytest.mark.parametrize(
    "answer",
    [
        *(True, 1, "no", [0], {"a": 1}, object(), MagicMock(), Mock(), Yes()),
        *(("bob", 403), [0, 1], (0, "bob"), 403, Status.GUEST, User(), http.HTTPStatus.OK),
        *(Response(200), webob.Response()),
    ],
)
def test_what_is_true_says_yes(answer: Any) -> None:
    assert says_yes(answer, "it")


@pytest.mark.parametrize("answer", [None, False, 0, "", [], {}, ()])
def test_what_is_false_says_no(answer: Any) -> None:
    assert not says_yes(answer, "it")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(coroutine, "a coroutine", id="a coroutine"),
        pytest.param(generator, "a generator", id="a generator"),
        pytest.param(agenerator, "a generator", id="an asynchronous one"),
        pytest.param(lambda: gevent.spawn(plain), "a Greenlet", id="a greenlet"),
        pytest.param(concurrent.futures.Future, "a Future", id="a future"),
        pytest.param(lambda: map(bool, [0]), "an iterator", id="an iterator"),
        pytest.param(lambda: plain, "the function plain", id="a function"),
        pytest.param(lambda: "text".isdigit, "the function isdigit", id="a method"),
        pytest.param(lambda: PermissionError("no"), "PermissionError", id="an exception"),
        pytest.param(lambda: PermissionError, "PermissionError", id="its class"),
        pytest.param(lambda: Yes, "the class Yes", id="another class"),
        pytest.param(lambda: NotImplemented, "NotImplemented", id="NotImplemented"),
        pytest.param(lambda: ..., "Ellipsis", id="an ellipsis"),
        pytest.param(lambda: Response(302), "an answer of the status 302", id="a redirect"),
        pytest.param(
            lambda: webob.Response(status=403), "an answer of the status 403", id="WebOb's response"
        ),
        pytest.param(
            lambda: http.HTTPStatus.UNAUTHORIZED, "an answer of the status 401", id="a status"
        ),
        pytest.param(lambda: Status.DENIED, r"Status\.DENIED", id="an enumeration's zero"),
        *(
            pytest.param(lambda value=value: value, f"a {kind} that begins with {first}", id=name)
            for name, value, kind, first in (
                ("a pair", (False, "no"), "tuple", "False"),
                ("a pair with nothing", (None, "no"), "tuple", "None"),
                ("a pair with names", Answer(False, "no"), "Answer", "False"),
                ("one alone", (False,), "tuple", "False"),
                ("three", (False, "no", 403), "tuple", "False"),
                ("a list", [False, "no"], "list", "False"),
                ("a refusal in a list", [ConnectionRefused("no")], "list", "ConnectionRefused"),
            )
        ),
        pytest.param(lambda: (coroutine(), "no"), "a tuple that begins with a cor", id="unawaited"),
        pytest.param(lambda: functools.cache(plain), "the function plain", id="one with a cache"),
        pytest.param(lambda: property(plain), "a property", id="a property of a class"),
        pytest.param(lambda: functools.cached_property(plain), "a cached_property", id="cached"),
        pytest.param(lambda: functools.partialmethod(plain), "a partialmethod", id="partialmethod"),
        pytest.param(lambda: str.isdigit, "the function isdigit", id="a method of a class"),
        pytest.param(lambda: operator.attrgetter("is_admin"), "a .*attrgetter", id="a getter"),
        pytest.param(lambda: weakref.ref(Status), "a ReferenceType", id="a weak reference"),
    ],
)
def test_what_is_no_answer_says_neither(make: Callable[[], Any], words: str) -> None:
    with warnings.catch_warnings():
        # That a coroutine was never awaited would be said a second time, by Python.
        warnings.simplefilter("error")
        with pytest.raises(UsageError, match=f"^it returned {words}.*return True or False"):
            says_yes(make(), "it")


@pytest.mark.parametrize("make", [coroutine, generator, agenerator])
def test_code_that_has_not_run_is_known(make: Callable[[], Any]) -> None:
    with pytest.raises(UsageError, match=r"it returned a .*: nothing was done"):
        check_has_run(make(), "it")


@pytest.mark.parametrize(
    "value", [ConnectionRefused("no"), ConnectionRefused, EventRefused("c", "no"), RateLimited]
)
def test_a_refusal_that_is_returned_refuses_nothing(value: Any) -> None:
    with pytest.raises(UsageError, match=r"it returned \w+, which has to be raised"):
        check_has_run(value, "it")


@pytest.mark.parametrize("value", [None, "text", object(), plain, map(bool, []), KeyError("k")])
def test_what_a_handler_may_return(value: Any) -> None:
    check_has_run(value, "it")
