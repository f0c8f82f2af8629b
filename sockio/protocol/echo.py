"""How much of what a peer sent an error message repeats."""

from __future__ import annotations

__all__ = ["echo"]

_MAX_ECHO = 40


def echo(sent: str | bytes) -> str:
    """The first 40 characters (or bytes), quoted and escaped: it ends up in logs."""
    return ascii(sent[:_MAX_ECHO])
