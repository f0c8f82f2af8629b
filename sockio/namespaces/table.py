"""Which namespace class serves which name: by the name itself, or by a pattern that it fits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..exceptions import UsageError

__all__ = ["MADE_IN_LINE", "MAX_DYNAMIC", "Namespaces", "described"]

#: Of a class that functions are put into: the line in which it was made. Many have one name.
MADE_IN_LINE = "__sockio_line__"

#: Namespaces found by patterns that one client may be in at a time.
MAX_DYNAMIC = 100


class Namespaces(dict[str, Any]):
    """Namespace classes by name, as a mapping of names; those by pattern are found, too.

    A name that is given wins over patterns, and of those the first that it fits whole. Whoever
    writes a pattern sees to it that no name of a thousand characters takes it long.
    """

    __slots__ = ("patterns",)

    def __init__(self, given: Mapping[Any, Any] = {}) -> None:
        super().__init__()
        self.patterns: dict[re.Pattern[str], Any] = {}
        self.add(given)

    def add(self, given: Mapping[Any, Any]) -> None:
        """Add classes by name or pattern, in place of earlier ones of the same."""
        if isinstance(given, Namespaces):
            self.patterns.update(given.patterns)
        for name, cls in given.items():
            if isinstance(name, re.Pattern):
                self.patterns[name] = cls
            else:
                self[name] = cls

    def register(self, given: Namespaces) -> None:
        """Add classes whose names are free. Raises ``UsageError`` for a name that another class
        has: whoever was first would be gone without a word. A module that is loaded again may give
        what it gave before."""
        kinds: tuple[tuple[dict[Any, Any], dict[Any, Any]], ...] = (
            (self, given),
            (self.patterns, given.patterns),
        )
        for taken, new in kinds:
            for name in taken.keys() & new.keys():
                before, cls = (_written(each[name]) for each in (taken, new))
                if before != cls:
                    raise UsageError(
                        f"two classes want to be the namespace {_named(name)}: {before} "
                        f"and {cls}. Give one of them another name."
                    )
        self.add(given)

    def __bool__(self) -> bool:
        return len(self) > 0 or bool(self.patterns)

    def __contains__(self, name: object) -> bool:
        if super().__contains__(name):
            return True
        if not self.patterns or not isinstance(name, str):
            return False
        return self.match(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The class that serves ``name``, or ``default``."""
        cls = super().get(name)
        if cls is None and self.patterns and (match := self.match(name)) is not None:
            cls = self.patterns[match.re]
        return default if cls is None else cls

    def match(self, name: str) -> re.Match[str] | None:
        """How ``name`` fits a pattern; None for one that is given, and for one that fits none."""
        if not self.patterns or super().__contains__(name):
            return None
        found = (pattern.fullmatch(name) for pattern in self.patterns)
        return next((match for match in found if match is not None), None)


def described(namespaces: Mapping[str, Any]) -> str:
    """All names and patterns, for people; "" for none."""
    shown = [repr(name) for name in namespaces]
    if isinstance(namespaces, Namespaces):
        shown += map(_named, namespaces.patterns)
    return ", ".join(shown)


def _named(name: str | re.Pattern[str]) -> str:
    """A name or a pattern, for people."""
    return f"re.compile({name.pattern!r})" if isinstance(name, re.Pattern) else repr(name or "/")


def _written(cls: Any) -> str:
    """Where a class is written, by which it is told from others."""
    line = getattr(cls, MADE_IN_LINE, 0)
    return f"{cls.__module__}.{cls.__qualname__}" + (f" (line {line})" if line else "")
