"""The command ``gunicorn``, which on SIGUSR2 starts itself once more: that cannot be done by
``python -m gunicorn``, whose folder has modules that are named as some of the standard library."""

from __future__ import annotations

import sys

from gunicorn.app.wsgiapp import run

if __name__ == "__main__":
    sys.exit(run(prog="gunicorn"))
