"""The Django project of the tests (``apps/django_site``), served as its users would serve it.

In processes of their own: a process has one Django in it, with one set of settings; and who patches
what, and when, is part of what is tested.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sockio.testing import Browser, Client

from ..examples.programs import Program, running
from ..support.generations import Way
from ..support.processes import need_module
from ..support.raw_http import Connection
from ..support.raw_websocket import RawWebSocket, upgrade_request
from ..support.transcript import PATIENCE

__all__ = ["SITE", "Site", "WebSocketClient", "serving", "start"]

SITE = Path(__file__).parent / "apps" / "django_site"
RUNSERVER = [sys.executable, "manage.py", "runserver_socketio"]
ADDRESS = r"(?:server|serving|Listening) (?:at|on|at:) ?(http://[\d.]+:\d+)"


class Site:
    """The running project, and browsers that look at it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        # Two starts of Python with Django, on a machine that may be busy.
        self.url = program.tells(ADDRESS, 4 * PATIENCE)
        self.port = urlsplit(self.url).port or 0
        self._browsers: list[Browser] = []
        #: How :meth:`connect` does it.
        self.way: Way = {"generation": "0.9", "transport": "websocket"}

    def visit(self, nickname: str = "") -> Browser:
        """A browser, logged in if a name is given."""
        browser = Browser(self.url)
        self._browsers.append(browser)
        if nickname:
            assert browser.submit("/login", nickname=nickname).status == 302
        return browser

    def connect(self, namespace: str = "", nickname: str = "", **way: str) -> Client:
        """A page of somebody's own."""
        return self.visit(nickname).connect(namespace, **{**self.way, **way})

    def own(self, name: str) -> str:
        """A name that nobody has whose clients are of another kind."""
        return f"{name}-{'-'.join(self.way.values())}"

    def open_database_files(self) -> int:
        found: int = json.loads(self.visit().get("/open-files").text)["open"]
        return found

    def close(self) -> None:
        for browser in self._browsers:
            browser.close()


class WebSocketClient(RawWebSocket):
    """A websocket at any path. ``refusal`` is the answer of a server that did not upgrade."""

    def __init__(self, site: Site, path: str, **headers: str | None) -> None:
        Connection.__init__(self, site.port)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.send(upgrade_request(path, site.port, {"Origin": site.url, **named}))
        self.upgrade = self.answer()


@functools.cache
def _migrated() -> Path:
    """An empty database, made once."""
    need_module("django", requirement="Django>=4.2")
    folder = Path(tempfile.mkdtemp(prefix="sockio-django-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    database = folder / "db.sqlite3"
    with running(
        [sys.executable, "manage.py", "migrate", "--verbosity=0", "--skip-checks"],
        SITE,
        DATABASE=str(database),
    ) as program:
        status = program.wait()
        assert status == 0, program.output
    return database


@contextmanager
def start(
    command: list[str],
    folder: Path = SITE,
    settings: Mapping[str, Any] = {},
    *,
    new_session: bool = False,
    **environ: str,
) -> Iterator[Program]:
    """Run a command in the project, with a database of its own."""
    with tempfile.TemporaryDirectory(prefix="sockio-django-") as place:
        database = Path(place) / "db.sqlite3"
        shutil.copy(_migrated(), database)
        environ = {"DATABASE": str(database), "SOCKETIO": json.dumps(dict(settings)), **environ}
        with running(command, folder, new_session=new_session, **environ) as program:
            try:
                yield program
            finally:
                # Its child, if it has one, would go on without it for a moment.
                program.stop()


@contextmanager
def serving(
    *options: str,
    folder: Path = SITE,
    settings: Mapping[str, Any] = {},
    command: list[str] = [*RUNSERVER, "127.0.0.1:0"],  # noqa: B006
    new_session: bool = False,
    **environ: str,
) -> Iterator[Site]:
    """Serve the project by ``runserver_socketio``, or by another command."""
    with start(
        [*command, *options], folder, settings, new_session=new_session, **environ
    ) as program:
        site = Site(program)
        try:
            yield site
        finally:
            site.close()


def run(*arguments: str, **environ: str) -> tuple[int, str]:
    """Run a command of ``manage.py`` to its end: status and output."""
    environment = {**_environ(), "DATABASE": str(_migrated()), **environ}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=SITE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stdout


def _environ() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
