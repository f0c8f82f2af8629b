"""What tests of the protocol share."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest


@pytest.fixture
def steps() -> Callable[..., int]:
    """How many lines of Python ran and functions were called in ``steps(function, *args)``.

    It stands for time, and is the same on every machine.
    """

    def count(function: Callable[..., Any], *args: Any) -> int:
        seen = 0

        def trace(frame: FrameType, event: str, arg: Any) -> Any:
            nonlocal seen
            seen += event == "line"
            return trace

        def profile(frame: FrameType, event: str, arg: Any) -> None:
            nonlocal seen
            seen += event in ("call", "c_call")

        before = sys.gettrace(), sys.getprofile()
        gc.disable()  # Hypothesis is called back by it
        sys.settrace(trace)
        sys.setprofile(profile)
        try:
            function(*args)
        except ValueError:  # PacketError is one
            pass
        finally:
            sys.settrace(before[0])
            sys.setprofile(before[1])
            gc.enable()
        return seen

    return count
