"""One line per message of the channel API, in the style of an access log."""

from __future__ import annotations

import json
import logging
import sys
from collections import defaultdict
from datetime import datetime
from typing import Any

from ...sessions.sayings import printable
from . import conf
from .outside import complain

__all__ = ["MAX_LENGTH", "log_message", "prepare"]

log = logging.getLogger("sockio.django.messages")

#: Characters of a message that are shown.
MAX_LENGTH = 1_000
#: Characters of a whole line.
LINE = 4_000

_encoder = json.JSONEncoder(ensure_ascii=False)


def prepare() -> None:
    """See to it that messages are logged where ``SOCKETIO_MESSAGE_LOG_FORMAT`` asks for it.

    Django configures loggers of its own only, and servers theirs: nothing below WARNING would be
    seen. A level that the project has given to one of these loggers counts.
    """
    if not conf.logs_messages():
        return
    above = ("sockio", "sockio.django", log.name)
    if not any(logging.getLogger(name).level for name in above) and not log.isEnabledFor(
        logging.INFO
    ):
        log.setLevel(logging.INFO)
    if not any(isinstance(handler, _LastResort) for handler in log.handlers):
        log.addHandler(_LastResort())


class _LastResort(logging.Handler):
    """Writes to stderr where no other handler would, whenever that was configured."""

    def emit(self, record: logging.LogRecord) -> None:
        logger: logging.Logger | None = log
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return
            logger = logger.parent if logger.propagate else None
        sys.stderr.write(self.format(record) + "\n")


def _beginning(message: Any) -> str:
    """Some more than is shown of the JSON text of a message, which may be a megabyte."""
    parts, size = [], 0
    for part in _encoder.iterencode(message):
        parts.append(part)
        size += len(part)
        if size > MAX_LENGTH:
            break
    return "".join(parts)


def log_message(request: Any, kind: str, message: Any) -> None:
    """Log a message by ``SOCKETIO_MESSAGE_LOG_FORMAT``, where that is set and INFO is logged.

    The format's names are those of ``request.META``, and TIME, TYPE and MESSAGE. What is not there
    is a dash, as in any access log.
    """
    if not log.isEnabledFor(logging.INFO):
        return
    line = conf.message_log_format()
    if line is None:
        return
    values: defaultdict[str, Any] = defaultdict(lambda: "-", getattr(request, "META", None) or {})
    text = message if isinstance(message, str) else _beginning(message)
    values.update(
        TIME=datetime.now().replace(microsecond=0),
        TYPE=kind,
        MESSAGE=text[:MAX_LENGTH] + ("…" if len(text) > MAX_LENGTH else ""),
    )
    try:
        # Nobody writes lines of their own into the log, by a header neither.
        text = printable(line % values, LINE)
    except (TypeError, ValueError) as error:
        complain(
            log,
            logging.ERROR,
            "message-log-format",
            "",
            "SOCKETIO_MESSAGE_LOG_FORMAT=%r cannot be used: %s",
            line,
            error,
        )
    else:
        log.info("%s", text)
