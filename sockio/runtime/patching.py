"""Whether gevent has patched the standard library, all of it, and in time.

Said once in every process that serves, whatever its server is: when a server of ours starts, or
with the first request under any other; and by the doctor before.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from gevent import monkey

__all__ = ["Fault", "faults", "kept_originals", "warn_about_patching"]

# Its name is older than this module, and filters go by it.
log = logging.getLogger("sockio.runtime")

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
#: What has to be patched, or something blocks.
WANTED = ("time", "socket", "threading", "ssl", "subprocess", "select")

#: Those may: they are the ones who patch, or work below it, or run tests.
_MAY = {"gevent", "greenlet", "sockio", "__main__", "_pytest", "hypothesis", "hupper"}
_MAY |= set(sys.stdlib_module_names)

_FIRST = "from gevent import monkey; monkey.patch_all()"
_FIX = (
    f"Make these the first words of the program, before any other import: {_FIRST}. The command "
    "'sockio serve' does it by itself."
)


class Fault(NamedTuple):
    """What is wrong (``not-patched``, ``patched-late``), whether that surely hurts, the fix."""

    code: str
    certain: bool
    text: str
    fix: str


def kept_originals(modules: Mapping[str, ModuleType | None]) -> Iterator[tuple[str, str]]:
    """Names in modules that still stand for what is not patched: ``("app.db", "time.sleep")``.

    That is the function or class itself, or an object that was made by it before.
    """
    originals: list[tuple[str, Any]] = []
    made: dict[type, str] = {}
    for module, name in BLOCKING:
        if monkey.is_object_patched(module, name):
            original: Any = monkey.get_original(module, name)
            originals.append((f"{module}.{name}", original))
            if isinstance(original, type):
                made[original] = f"{module}.{name}"
            elif name == "allocate_lock":
                made[type(original())] = "threading.Lock"
    for name, module_object in list(modules.items()):
        if module_object is None or name.partition(".")[0] in _MAY:
            continue
        values = list(getattr(module_object, "__dict__", {}).values())
        for kind in made.keys() & {type(value) for value in values}:
            yield name, made[kind]
        known = {id(value) for value in values}
        for what, original in originals:
            if id(original) in known:
                yield name, what


def faults() -> Iterator[Fault]:
    """What is wrong in this process as it is now. Looks at every module, in milliseconds."""
    if not monkey.is_module_patched("socket"):
        yield Fault(
            "not-patched",
            True,
            "gevent has not patched the standard library, so whatever blocks in your code "
            "(time.sleep, a database, requests to other servers) stops every client.",
            _FIX,
        )
        return
    unpatched = [name for name in WANTED if not monkey.is_module_patched(name)]
    if unpatched:
        yield Fault(
            "patched-late",
            False,
            "gevent patches only a part of the standard library, without "
            f"{', '.join(unpatched)}, so what blocks there stops every client.",
            "Patch all of it: monkey.patch_all() without arguments.",
        )
    kept = sorted(set(kept_originals(sys.modules)))
    if kept:
        shown = ", ".join(f"{module} ({what})" for module, what in kept[:6])
        more = f" and {len(kept) - 6} more" if len(kept) > 6 else ""
        yield Fault(
            "patched-late",
            True,
            "gevent patches the standard library, but some modules had taken the unpatched "
            f"functions by then, and block every client when they use them: {shown}{more}.",
            _FIX,
        )


_told = False


def warn_about_patching() -> None:
    """Say once in this process, with the fix, what does not cooperate with gevent."""
    global _told
    if not _told:
        _told = True
        for fault in faults():
            log.warning("%s %s", fault.text, fault.fix)
