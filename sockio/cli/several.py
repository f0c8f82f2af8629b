"""``sockio serve --workers N``: what the supervisor is given."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
from collections.abc import Sequence

from .again import folder_again, started_by
from .listening import BALANCED, listeners
from .meeting import VARIABLE, Meeting
from .supervisor import Supervisor

__all__ = ["serve_by_several"]

log = logging.getLogger("sockio.supervisor")


def serve_by_several(arguments: argparse.Namespace, argv: Sequence[str]) -> int:
    """Serve by processes that run this same command; returns the exit status.

    Raises ``Problem`` for what is wrong before they are started; what is wrong with the application
    and its options the first of them says.
    """
    made = listeners(arguments.host, arguments.port, arguments.workers)
    host, port = made[0].getsockname()[:2]
    if not BALANCED and arguments.workers > 1:
        log.warning(
            "this system does not deal connections out to several processes: they share one "
            "socket, and some will have several times as many clients as others [uneven]"
        )
    scheme = "https" if arguments.certfile or arguments.keyfile else "http"
    shown = f"[{arguments.host}]" if ":" in arguments.host else arguments.host

    def ready() -> None:
        by = "1 worker" if arguments.workers == 1 else f"{arguments.workers} workers"
        sys.stderr.write(f"serving on {scheme}://{shown}:{port} by {by}\n")
        sys.stderr.flush()

    before, meeting = started_by(argv), Meeting(host, port)
    environ = {**os.environ, VARIABLE: meeting.path}
    if arguments.secret and not environ.get(arguments.secret):
        environ[arguments.secret] = secrets.token_hex(32)
    status = Supervisor(
        made,
        lambda given: [*before, argv[0], f"--child={given}", *argv[1:]],
        environ,
        folder_again(),
        graceful=arguments.graceful_timeout,
        ready=ready,
    ).run()
    meeting.end()
    return status
