"""The callbacks that one client does not answer take no more of memory than ``max_acks`` says."""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
from collections.abc import Callable

import pytest

from sockio.sessions.acks import PendingAcks, Waiting
from sockio.sessions.weights import weight_of

from .measuring import FACTOR, measuring

LIMIT = 200_000


class Upload:
    """What an application makes of something that it was sent."""

    def __init__(self, data: str) -> None:
        self.data = data

    def done(self) -> None: ...


def nothing(data: str) -> Callable[..., object]:
    return lambda: None


def closure(data: str) -> Callable[..., object]:
    return lambda: data


def parsed(data: str) -> Callable[..., object]:
    objects = json.loads(data)
    return lambda: objects


def default(data: str) -> Callable[..., object]:
    return lambda data=data: data


def partial(data: str) -> Callable[..., object]:
    return functools.partial(print, data)


def method(data: str) -> Callable[..., object]:
    return Upload(data).done


def nested(data: str) -> Callable[..., object]:
    inner = closure(data)
    return lambda: inner()


@dataclasses.dataclass
class Slots:
    __slots__ = ("data",)
    data: object


Pair = collections.namedtuple("Pair", "left right")


def slots(data: str) -> Callable[..., object]:
    made = Slots(data)
    return lambda: made


def items(data: str) -> Callable[..., object]:
    made = collections.deque([Pair(None, collections.defaultdict(list, text=[data]))])
    return lambda: made


@pytest.mark.parametrize(
    "make", [nothing, closure, parsed, default, partial, method, nested, slots, items]
)
@pytest.mark.parametrize(("length", "number", "times"), [(5, 400, 1), (400, 60, 1), (400, 60, 2)])
def test_what_waits_for_an_answer_takes_no_more_than_its_bytes(
    make: Callable[[str], Callable[..., object]], length: int, number: int, times: int
) -> None:
    acks = PendingAcks((10_000, LIMIT))
    heard = 0

    def handle(text: str) -> None:
        callback = make(text)
        for _ in range(times):
            acks.add("", Waiting(callback, 100.0), heard)

    with measuring() as grown:
        for each in range(number):
            text = json.dumps([[each + other] for other in range(length)])
            heard += len(text)
            handle(text)
        held = grown.bytes
    assert len(acks) > 1
    # The last one was not over when it was looked at what the others hold.
    assert held < LIMIT * FACTOR + weight_of(json.loads(text))
