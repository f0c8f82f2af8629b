"""What an application runs in: versions, worker processes, limits of the system."""

from __future__ import annotations

import os
import platform
import re
import runpy
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from .findings import LET_THEM_MEET, Finding
from .installed import examine_names, our_distribution

__all__ = ["examine_gunicorn", "examine_limits", "examine_modules", "examine_versions"]

#: Descriptors below which a process is no server: each client has one.
FEW = 4096

#: gunicorn's workers by what they can do with this middleware.
_NO_GEVENT = {"sync", "gthread", "tornado", "eventlet", "gaiohttp"}
_NO_WEBSOCKET = {"gevent", "gevent_wsgi"}


def examine_versions() -> Iterator[Finding]:
    """Python, and what the package says it needs."""
    yield Finding("python", "ok", f"Python {platform.python_version()} on {platform.system()}")
    ours = our_distribution()
    shown = []
    for requirement in (ours.requires if ours is not None else None) or ():
        found = re.fullmatch(r"([\w.-]+)\s*>=\s*([\d.]+)", requirement.strip())
        if found is None:
            # Of an extra, which nobody has to have.
            continue
        name, least = found.groups()
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = ""
        if not version or _numbers(version) < _numbers(least):
            yield Finding(
                "version-too-old",
                "problem",
                f"{name} {version or 'is not installed'}: sockio needs {least} or newer",
                f"pip install '{name}>={least}'",
            )
        else:
            shown.append(f"{name} {version}")
    if shown:
        yield Finding("versions", "ok", ", ".join(shown))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", version.partition("+")[0])[:3])


def examine_modules(modules: Iterable[str]) -> Iterator[Finding]:
    """Combinations that are known not to work, from the names of what has been imported."""
    present = {name.partition(".")[0] for name in modules}
    if "eventlet" in present:
        yield Finding(
            "eventlet-loaded",
            "problem",
            "eventlet has been imported: it patches what gevent patches, and the two do not know "
            "each other",
            "find out who imports it, and switch that off",
        )
    for name, what in (("socketio", "socketio"), ("flask_socketio", "flask_socketio")):
        if name in present:
            yield Finding(
                "other-socketio",
                "warning",
                f"{what} has been imported, another Socket.IO server: under the same URL only one "
                "of the two hears anything",
                "remove it, or give one of them another resource: "
                "SocketIOMiddleware(app, resource='live/socket.io')",
            )


def examine_limits() -> Iterator[Finding]:
    """How many connections the system lets one process have."""
    try:
        import resource
    except ImportError:  # not on this system
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FEW:
        yield Finding("descriptors", "ok", f"a process may have {soft} descriptors, one per client")
        return
    yield Finding(
        "descriptors",
        "warning",
        f"a process may have {soft} descriptors (ulimit -n), and every client takes one; when they "
        "run out, nobody can connect",
        "raise it where the server is started: ulimit -n 65536, or LimitNOFILE=65536 in its "
        f"systemd unit (without being root, up to {hard})",
    )


def examine_gunicorn(folder: Path, environ: Mapping[str, str], mesh: str = "") -> Iterator[Finding]:
    """The number and kind of gunicorn's workers, as its file, its two variables say. ``mesh`` is
    the application's setting of that name."""
    config: dict[str, Any] = {}
    if environ.get("WEB_CONCURRENCY", "").isdigit():
        config["workers"] = int(environ["WEB_CONCURRENCY"])
    from_variable = _options(environ.get("GUNICORN_CMD_ARGS", ""))
    path = folder / str(from_variable.pop("config", "gunicorn.conf.py"))
    if path.is_file():
        try:
            # As gunicorn does itself.
            config |= runpy.run_path(str(path))
        except Exception as error:
            yield Finding(
                "gunicorn-config",
                "warning",
                f"{path.name} cannot be read: {type(error).__name__}: {error}",
                "repair it: gunicorn fails the same way",
            )
    config |= from_variable
    workers = config.get("workers", 1)
    kind = config.get("worker_class")
    if isinstance(workers, int) and workers > 1:
        yield _several(workers, kind, mesh or environ.get("SOCKIO_MESH", ""))
    if kind is None:
        if path.is_file() or from_variable:
            kind = "sync"
        else:
            return
    kind = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    if kind in _NO_GEVENT:
        yield Finding(
            "worker-class",
            "problem",
            f"gunicorn's worker {kind!r} has no gevent: every waiting client blocks a whole worker",
            "worker_class = 'gevent_pywsgi'",
        )
    elif kind in _NO_WEBSOCKET:
        yield Finding(
            "worker-without-websocket",
            "warning",
            f"gunicorn's worker {kind!r} cannot open websockets; clients fall back to polling",
            "worker_class = 'gevent_pywsgi'",
        )
    else:
        yield Finding("worker-class", "ok", f"gunicorn is told to run the worker {kind!r}")


def _several(workers: int, kind: object, mesh: str) -> Finding:
    told = f"gunicorn is told to run {workers} processes (workers, WEB_CONCURRENCY)"
    ours = str(kind).rpartition(".")[2].startswith("GeventSocketIOWorker")
    if mesh != "off" and (ours or mesh):
        return Finding("workers", "ok", f"{told}, and they find each other")
    return Finding(
        "workers",
        "problem",
        f"{told}: most requests of a session would reach another one than its own",
        LET_THEM_MEET,
    )


def _options(words: str) -> dict[str, Any]:
    """What of gunicorn's command line concerns us."""
    names = {"-w": "workers", "--workers": "workers", "-k": "worker_class"}
    names |= {"--worker-class": "worker_class", "-c": "config", "--config": "config"}
    found: dict[str, Any] = {}
    queue = shlex.split(words)
    while queue:
        option, equals, value = queue.pop(0).partition("=")
        if option in names:
            value = value if equals else queue.pop(0) if queue else ""
            found[names[option]] = value
    if str(found.get("workers", "")).isdigit():
        found["workers"] = int(found["workers"])
    return found


def examine_surroundings(mesh: str) -> Iterator[Finding]:
    """All of the above, for this process and an application with that setting ``mesh``."""
    yield from examine_versions()
    yield from examine_names()
    yield from examine_modules(list(sys.modules))
    yield from examine_limits()
    yield from examine_gunicorn(Path.cwd(), os.environ, mesh)
