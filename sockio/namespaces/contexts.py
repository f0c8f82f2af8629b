"""What the settings ``context`` and ``job_context`` open, around the application's code."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

__all__ = ["Outspoken"]


class Outspoken(AbstractContextManager[Any]):
    """A context manager that swallows nothing: it may end what it has begun as for a failure, a
    transaction for example, and the failure goes on to the client and to the log, who would both
    take what never ran for done."""

    __slots__ = ("_manager",)

    def __init__(self, manager: AbstractContextManager[Any]) -> None:
        self._manager = manager

    def __enter__(self) -> Any:
        return self._manager.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._manager.__exit__(*error)
