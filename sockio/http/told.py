"""Functions of the application that nobody waits for: what they raise is said."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..config.plain import check_has_run
from ..runtime.gevent_runtime import ENDS_A_TASK
from ..runtime.interfaces import Runtime
from ..sessions.jobs import name_of

__all__ = ["tell"]

log = logging.getLogger("sockio")


def tell(runtime: Runtime, what: str, function: Callable[..., object], *args: object) -> None:
    """Call ``function(*args)`` soon, in a task of its own. ``what`` it is for is said in the log if
    it fails, with the traceback: gevent would print that to stderr, where nobody may look."""
    runtime.run(_call, what, function, *args)


def _call(what: str, function: Callable[..., object], *args: object) -> None:
    try:
        result = function(*args)
        if result is not None:
            check_has_run(result, name_of(function))
    except ENDS_A_TASK as end:
        if isinstance(end, SystemExit):
            log.warning(
                "%s, %s, ends the server: SystemExit(%s) [server-ended]",
                what,
                name_of(function),
                end.code,
            )
        raise
    except BaseException:
        # Also what is no Exception, as gevent's Timeout.
        log.exception("%s, %s, failed", what, name_of(function))
