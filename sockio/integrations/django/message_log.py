"""One line per message of the channel API, in the style of an access log."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from datetime import datetime
from typing import Any

from ...complaints import printable
from . import conf
from .outside import complain

__all__ = ["MAX_LENGTH", "log_message"]

log = logging.getLogger("sockio.django.messages")

#: Characters of a message that are shown.
MAX_LENGTH = 1_000
#: Characters of a whole line.
LINE = 4_000


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
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
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
