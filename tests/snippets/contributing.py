"""What a reader of CONTRIBUTING has."""

from __future__ import annotations

import pytest


def ack(number: int, *args: str) -> object:
    return number, args
