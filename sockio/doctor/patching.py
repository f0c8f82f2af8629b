"""Whether gevent has patched the standard library, and whether that came in time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from gevent import monkey

from .findings import Finding

__all__ = ["examine_patching", "kept_originals"]

#: What blocks, and what modules like to take by name: ``from time import sleep``.
BLOCKING = (
    ("time", "sleep"),
    ("socket", "socket"),
    ("socket", "create_connection"),
    ("socket", "getaddrinfo"),
    ("select", "select"),
    ("ssl", "SSLContext"),
    ("ssl", "SSLSocket"),
    ("subprocess", "Popen"),
    ("_thread", "allocate_lock"),
    ("_thread", "start_new_thread"),
    ("threading", "local"),
)

#: Those may: they are the ones who patch, or work below it.
_MAY = {"gevent", "greenlet", "sockio", "__main__"} | set(sys.stdlib_module_names)

_FIRST = "from gevent import monkey; monkey.patch_all()"


def kept_originals(modules: Mapping[str, ModuleType | None]) -> Iterator[tuple[str, str]]:
    """Names in modules that still stand for what is not patched: ``("app.db", "time.sleep")``."""
    originals: list[tuple[str, Any]] = []
    for module, name in BLOCKING:
        if monkey.is_object_patched(module, name):
            originals.append((f"{module}.{name}", monkey.get_original(module, name)))
    for name, module_object in list(modules.items()):
        if module_object is None or name.partition(".")[0] in _MAY:
            continue
        values = [id(value) for value in list(getattr(module_object, "__dict__", {}).values())]
        for what, original in originals:
            if id(original) in values:
                yield name, what


def examine_patching(complaints: Sequence[str]) -> Iterator[Finding]:
    """What importing the application has done. ``complaints`` are gevent's warnings meanwhile."""
    if not monkey.is_module_patched("socket"):
        yield Finding(
            "not-patched",
            "note",
            "the application's module does not patch the standard library. 'sockio serve' and "
            "gunicorn's gevent workers do it before they import it; without them, whatever blocks "
            "in a handler (a database, time.sleep, requests) stops every client",
            f"where a program of your own calls serve(), make this its first line: {_FIRST}",
        )
        return
    wanted = ("time", "threading", "ssl", "subprocess", "select")
    unpatched = [name for name in wanted if not monkey.is_module_patched(name)]
    kept = sorted(set(kept_originals(sys.modules)))
    if not kept and not complaints and not unpatched:
        yield Finding("patched", "ok", "gevent patches the standard library, and early enough")
        return
    if unpatched:
        yield Finding(
            "patched-late",
            "warning",
            f"gevent patches only a part of the standard library, without {', '.join(unpatched)}",
            "patch all of it: monkey.patch_all() without arguments",
        )
    fix = f"make these the first words of the program, before any other import: {_FIRST}"
    if kept:
        shown = ", ".join(f"{module} ({what})" for module, what in kept[:6])
        more = f" and {len(kept) - 6} more" if len(kept) > 6 else ""
        yield Finding(
            "patched-late",
            "problem",
            "gevent patches the standard library, but some modules had taken the unpatched "
            f"functions by then, and block every client when they use them: {shown}{more}",
            fix,
        )
    elif complaints:
        yield Finding("patched-late", "problem", f"gevent complains: {complaints[0]}", fix)
