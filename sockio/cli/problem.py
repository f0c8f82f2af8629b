"""What the caller of a command can put right."""

from __future__ import annotations

__all__ = ["Problem"]


class Problem(Exception):
    """It is printed in place of a traceback; the message says how to put it right."""
