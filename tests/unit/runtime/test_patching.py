"""Patching that came late, in part or not at all is said once, whoever serves. Each in a process of
its own: this one is patched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EARLY = "from gevent import monkey; monkey.patch_all()"

MODULES = {
    "nothing": "",
    "a function": "from time import sleep",
    "a class": "from ssl import SSLContext",
    "a lock": "import threading; lock = threading.Lock()",
    "thread-locals": "import threading; mine = threading.local()",
    "a context": "import ssl; context = ssl.create_default_context()",
    "a socket": "import socket; sock = socket.socket()",
    "no more than the module": "import ssl, threading, socket, time, select, subprocess",
}

SERVER = """
from sockio.server import SocketIOServer
server = SocketIOServer(("127.0.0.1", 0), lambda environ, start: [])
server.start()
server.stop(0)
"""
PLAIN = """
import gevent.pywsgi, gevent.socket
from sockio import SocketIOMiddleware
app = SocketIOMiddleware(lambda environ, start: [], {})
server = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), app, log=None)
server.start()
for _ in range(2):
    sock = gevent.socket.create_connection(server.address, timeout=10)
    sock.sendall(b"GET /socket.io/ HTTP/1.0\\r\\nHost: a\\r\\n\\r\\n")
    assert sock.recv(10)
    sock.close()
server.stop(0)
"""


def told(folder: Path, *parts: str) -> list[str]:
    """What a program says that imports what is given first."""
    program = folder / "program.py"
    program.write_text("\n".join(parts))
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(program)],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": ":".join([*filter(None, sys.path)])},
    )
    assert ran.returncode == 0, ran.stderr
    return [line for line in ran.stderr.splitlines() if "gevent" in line]


@pytest.mark.parametrize("module", MODULES)
def test_what_was_taken_before(tmp_path: Path, module: str) -> None:
    (tmp_path / "site_of_mine.py").write_text(MODULES[module])
    lines = told(tmp_path, "import site_of_mine", EARLY, SERVER)
    if module in ("nothing", "no more than the module"):
        assert lines == []
    else:
        (line,) = lines
        assert "some modules had taken the unpatched functions by then" in line
        assert "site_of_mine (" in line
        assert EARLY in line


@pytest.mark.parametrize("serving", [SERVER, PLAIN], ids=["our server", "plain pywsgi"])
@pytest.mark.parametrize(
    ("patch", "words"),
    [
        pytest.param(EARLY, None, id="in time"),
        pytest.param("", "gevent has not patched the standard library", id="not"),
        pytest.param(
            "from gevent import monkey; monkey.patch_all(thread=False, select=False)",
            "without threading, select",
            id="in part",
        ),
        pytest.param(
            "import site_of_mine\n" + EARLY, "site_of_mine (time.sleep)", id="late"
        ),
    ],
)  # fmt: skip
def test_it_is_said_once_by_whoever_serves(
    tmp_path: Path, serving: str, patch: str, words: str | None
) -> None:
    (tmp_path / "site_of_mine.py").write_text(MODULES["a function"])
    lines = told(tmp_path, patch, serving)
    assert len(lines) == (words is not None)
    assert words is None or words in lines[0]
