"""Whether gevent has patched the standard library, and whether that came in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..runtime.patching import faults
from .findings import Finding

__all__ = ["examine_patching"]

_FIRST = "from gevent import monkey; monkey.patch_all()"


def examine_patching(complaints: Sequence[str]) -> Iterator[Finding]:
    """What importing the application has done. ``complaints`` are gevent's warnings meanwhile."""
    found = list(faults())
    if any(fault.code == "not-patched" for fault in found):
        # Here nobody serves yet.
        yield Finding(
            "not-patched",
            "note",
            "the application's module does not patch the standard library. 'sockio serve' and "
            "gunicorn's gevent workers do it before they import it; without them, whatever blocks "
            "in a handler (a database, time.sleep, requests) stops every client",
            f"where a program of your own calls serve(), make this its first line: {_FIRST}",
        )
        return
    for fault in found:
        level = "problem" if fault.certain else "warning"
        yield Finding(fault.code, level, fault.text.rstrip("."), fault.fix)  # type: ignore[arg-type]
    if not any(fault.certain for fault in found) and complaints:
        fix = f"make these the first words of the program, before any other import: {_FIRST}"
        yield Finding("patched-late", "problem", f"gevent complains: {complaints[0]}", fix)
    elif not found:
        yield Finding("patched", "ok", "gevent patches the standard library, and early enough")
