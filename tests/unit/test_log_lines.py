"""Who logs without ``Complaints``: only where no client can be the cause."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sockio import BaseNamespace

from .conftest import MakeHouse
from .test_layers import SOURCES

#: What may log by itself, and why no client can fill the log by that.
REASONS = {
    "sessions.complaints": "this is where the lines are counted",
    "runtime.patching": "once in a process: the standard library is not patched, or too late",
    "http.surroundings": "once for each middleware, at its first handshake: what its server "
    "cannot do",
    "http.middleware": "once for each middleware that the application makes to answer a request",
    "http.told": "when the application starts, and about what its own workers say to each other",
    "integrations.uwsgi_websocket": "when the application is loaded",
    "runtime.blocked": "where somebody asks for it, twice for each time that the loop is blocked",
    "server.access_log": "where somebody asks for it; cut, printable, one line for each request",
    "compat.flask_socketio.options": "once for each extension, when it is made",
    "compat.flask_socketio.extension": "when the application gives its handlers",
    "http.client_script": "once for each of the client's files, when it is read",
    "http.claims": "once for each middleware that is found to be one too many",
    "integrations.gunicorn_requests": "once, when a worker has had its max_requests; and what a "
    "hook of gunicorn's settings raises, as gunicorn logs it",
    "integrations.django.message_log": "the log of messages, which a setting asks for; cut, "
    "printable, one line for each message as in any access log",
    "transports.rawsocket": "at DEBUG only, by a logger whose lines are cut and printable",
    "backplane.mesh.mesh": "about other workers, once for each of their connections: no client can "
    "reach them",
    "integrations.django.views": "once: the application is not wrapped by this package",
    "integrations.pyramid": "once for each application, of the same kind",
    "backplane.handover": "when another worker ends, or this one",
    "backplane.mesh.way": "about what other workers ask: the application itself",
    "cli.supervisor": "one line for each event in a worker's life, which end less often the more "
    "they do",
    "cli.several": "once, when the command starts",
    "cli.serving": "of that kind",
    "cli.worker": "once in a process, when its supervisor has gone",
    "integrations.django.outside": "in a process without a server, which has no clients",
}

LEVELS = {
    "critical",
    "debug",
    "error",
    "exception",
    "fatal",
    "handle",
    "info",
    "log",
    "warn",
    "warning",
}


def direct_lines(path: Path) -> Iterator[int]:
    """The lines of a source file that log by a logger themselves, or hand that on to a task."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Attribute) or node.attr not in LEVELS:
            continue
        owner = node.value
        name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
        if "log" in name.lower() or name == "_quiet":
            yield node.lineno


def test_every_line_that_a_client_can_cause_is_counted() -> None:
    found = {
        module: lines for module, path in SOURCES.items() if (lines := list(direct_lines(path)))
    }
    assert {module: lines for module, lines in found.items() if module not in REASONS} == {}
    assert set(REASONS) == set(found), "an exception that nothing needs any more"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("log.warning('x')", id="a call"),
        pytest.param("runtime.run(log.exception, 'x')", id="in a task"),
        pytest.param("self.log.error('x')", id="an attribute"),
        pytest.param("logging.info('x')", id="the root logger"),
        pytest.param("_quiet.debug('x')", id="another name for it"),
    ],
)
def test_the_test_sees(tmp_path: Path, source: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(source, encoding="utf-8")
    assert list(direct_lines(path)) == [1]


def test_d78_the_command_alone_prints_and_configures_logging() -> None:
    allowed = {"cli", "__main__"}
    for module, path in SOURCES.items():
        if module.partition(".")[0] in allowed:
            continue
        calls = [
            node.lineno
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call)
            and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("print", "basicConfig")
        ]
        assert not calls, (module, calls)


def test_no_level_is_missing() -> None:
    logger = logging.getLogger("sockio.test")
    assert all(hasattr(logger, level) for level in LEVELS)


def test_what_failed_is_named(house: MakeHouse, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(BaseNamespace):
        def on_x(self) -> None:
            raise ValueError

        def recv_message(self, data: str) -> None:
            raise ValueError

        recv_json = recv_message

    client = house({"/s": Failing}).client("/s")
    client.sends("3::/s:text", "4::/s:1", '5::/s:{"name":"x"}')
    said = [each.getMessage().partition("/s: ")[2] for each in caplog.records]
    assert said == ["recv_message failed", "recv_json failed", "the handler of event 'x' failed"]
