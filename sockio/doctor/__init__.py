"""``sockio doctor``: what is wrong with an application or a deployment, each with its fix.

:func:`examine` looks at an application in a process of its own, :func:`examine_url` at a server
that is running, through whatever is in front of it.
"""

from __future__ import annotations

from .deployment import examine_url
from .findings import CODES, Finding, Level, as_json, as_text, is_well
from .patient import examine

__all__ = [
    "CODES",
    "Finding",
    "Level",
    "as_json",
    "as_text",
    "examine",
    "examine_url",
    "is_well",
]
