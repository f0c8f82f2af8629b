"""Request bodies that arrive the way hostile, broken and slow networks deliver them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.event

from sockio.testing import ManualRuntime

__all__ = ["ByteByByte", "Endless", "ImpatientRuntime", "Reset", "Untouchable"]


class Stream(io.BytesIO):
    """A ``wsgi.input`` that remembers how much of it was asked for."""

    def __init__(self, body: bytes = b"") -> None:
        super().__init__(body)
        self.asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0, "a server's input may block for ever when everything is asked for"
        self.asked += size
        return self.take(size)

    def take(self, size: int) -> bytes:
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("a body has no lines")

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        raise AssertionError("a body has no lines")

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("a body has no lines")


class Untouchable(Stream):
    """One that must not be read at all."""

    def take(self, size: int) -> bytes:
        raise AssertionError("this body was not to be read")


class ByteByByte(Stream):
    """Reads are as short as they can be, which PEP 3333 allows and which cuts characters."""

    def take(self, size: int) -> bytes:
        return super().take(min(size, 1))


class Reset(Stream):
    """The connection breaks behind the body's beginning; gevent.pywsgi raises ``OSError`` then."""

    def take(self, size: int) -> bytes:
        piece = super().take(size)
        if not piece:
            raise ConnectionResetError("unexpected end of file while reading request")
        return piece


class Endless(Stream):
    """Behind the body's beginning nothing comes any more, and the connection stays open."""

    def take(self, size: int) -> bytes:
        piece = super().take(size)
        if not piece:
            gevent.event.Event().wait()
        return piece


class ImpatientRuntime(ManualRuntime):
    """Time limits are measured by the manual clock too."""

    def limit(self, seconds: float, fn: Callable[..., Any], *args: Any) -> Any:
        caller = gevent.getcurrent()
        timer = self.at(self.now() + seconds, lambda: gevent.kill(caller, TimeoutError()))
        try:
            return fn(*args)
        finally:
            timer.cancel()
