"""A process that is all the server's is set so that others wait less: where that is ours to say."""

from __future__ import annotations

import pytest

from ..support.processes import need_module, running
from ..support.raw_http import get
from .contract import FOLDER, PYTHON

pytestmark = pytest.mark.e2e

SERVE = "-m sockio.cli serve process:application --port 0"
GUNICORN = (
    "-m gunicorn --bind 127.0.0.1:0 process:application "
    "-k sockio.integrations.gunicorn_worker.GeventSocketIOWorker"
)
PLAIN = "-m gunicorn --bind 127.0.0.1:0 process:application -k gevent_pywsgi"


def settings_of(command: str, **environ: str) -> tuple[int, float]:
    """How many objects the collector leaves alone, and the seconds between switches of threads."""
    if "gunicorn" in command:
        need_module("gunicorn", "packaging", requirement="gunicorn[gevent]")
    with running([PYTHON, *command.split()], FOLDER, **environ) as process:
        port = process.find(r"(?:serving on|Listening at:) http://127\.0\.0\.1:(\d+)")[1]
        frozen, interval = get(int(port), "/").body.split()
    return int(frozen), float(interval)


@pytest.mark.parametrize("command", [SERVE, GUNICORN], ids=["sockio serve", "our worker"])
def test_what_is_imported_is_left_alone_and_threads_switch_often(command: str) -> None:
    frozen, interval = settings_of(command)
    assert frozen > 10_000
    assert interval == 0.0005


def test_an_interval_of_the_application_stays() -> None:
    assert settings_of(SERVE, INTERVAL="0.002")[1] == 0.002


def test_a_process_that_is_not_ours_stays_as_it_is() -> None:
    frozen, interval = settings_of(PLAIN)
    # Python 3.12 itself freezes some hundred.
    assert frozen < 5_000
    assert interval == 0.005
