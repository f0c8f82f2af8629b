"""What gunicorn's settings have to do with each request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sockio.server.heads import BadHead

pytest.importorskip("gunicorn")

from gunicorn.config import Config
from gunicorn.glogging import Logger

from sockio.integrations.gunicorn_requests import Requests


def requests(logger: type[Logger] = Logger, **settings: Any) -> Requests:
    """Those of a worker with these settings."""
    cfg = Config()
    for name, value in settings.items():
        cfg.set(name, value)
    log = logger(cfg)
    worker = SimpleNamespace(cfg=cfg, log=log, nr=0, max_requests=cfg.max_requests, alive=True)
    return Requests(worker)


def environ(**headers: str) -> dict[str, Any]:
    return {"wsgi.url_scheme": "http", "REMOTE_ADDR": "127.0.0.1", **headers}


def scheme(of: Requests, environ: dict[str, Any]) -> str:
    address = environ["REMOTE_ADDR"]
    of.begin(environ, "/", None, (address, 1) if address else "")
    found: str = environ["wsgi.url_scheme"]
    return found


PROTO = "HTTP_X_FORWARDED_PROTO"


@pytest.mark.parametrize(
    ("trusted", "address", "expected"),
    [
        pytest.param("127.0.0.1,::1", "127.0.0.1", "https", id="listed"),
        pytest.param("127.0.0.1,::1", "192.0.2.1", "http", id="a stranger"),
        pytest.param("*", "192.0.2.1", "https", id="anybody"),
        pytest.param("192.0.2.9", "", "https", id="over a Unix socket"),
        pytest.param("", "127.0.0.1", "http", id="nobody"),
    ],
)
def test_the_scheme_is_believed_of_proxies(trusted: str, address: str, expected: str) -> None:
    asked = environ(**{PROTO: "https", "REMOTE_ADDR": address})
    assert scheme(requests(forwarded_allow_ips=trusted), asked) == expected


def test_the_headers_for_it_are_a_setting() -> None:
    ours = requests(secure_scheme_headers={"X-Secure": "yes"})
    assert scheme(ours, environ(**{PROTO: "https"})) == "http"
    assert scheme(ours, environ(HTTP_X_SECURE="yes")) == "https"
    # As gunicorn has it, also where TLS ends here.
    without = {**environ(HTTP_X_SECURE="no"), "wsgi.url_scheme": "https"}
    assert scheme(ours, without) == "http"


def test_headers_that_disagree_are_refused() -> None:
    asked = environ(**{PROTO: "https", "HTTP_X_FORWARDED_SSL": "off"})
    with pytest.raises(BadHead):
        scheme(requests(), asked)


def test_nothing_is_done_for_a_log_that_nobody_asked_for() -> None:
    assert requests().lines is None
    assert requests(accesslog="-").lines is not None


def test_a_logger_of_ones_own_is_told() -> None:
    class Own(Logger):  # type: ignore[misc]
        def access(self, *args: Any) -> None:
            pass

    assert requests(Own).lines is not None


def test_hooks_count_only_when_they_are_set() -> None:
    assert requests().hooks is None
    assert requests(post_request=lambda worker, req: None).hooks is not None
    assert requests(pre_request=lambda worker, req: None).hooks is not None


def test_a_line_that_cannot_be_written_keeps_no_other_back() -> None:
    written = []

    class Failing(Logger):  # type: ignore[misc]
        def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
            if resp.status == "500":
                raise OSError("the disk is full")
            written.append(resp.status)

    lines = requests(Failing).lines
    assert lines is not None
    tasks: list[Any] = []
    lines.run = tasks.append
    for status in ("200", "500", "404"):
        lines.answered(environ(), status, 0, 0.0, list)
    (task,) = tasks
    task()
    assert written == ["200", "404"]
