"""The configurations of examples/proxies, in real proxies, in front of servers in this process.

Only what a reader would change is changed: ports, and the files of a certificate.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ..support.node import Node, SharedNode
from ..support.processes import Process, free_port, need_program, running
from ..support.transcript import eventually

EXAMPLES = Path(__file__).parents[2] / "examples" / "proxies"

#: Everything of nginx that is not a site's: on Debian it is in /etc/nginx/nginx.conf.
NGINX = """
{user}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {site};
}}
"""

StartProxy = Callable[[str, dict[str, str]], int]


@contextmanager
def _proxy(folder: Path, config: str, changes: dict[str, str]) -> Iterator[int]:
    port = free_port()
    text = (EXAMPLES / config).read_text("utf-8")
    for old, new in changes.items():
        assert old in text, f"{config} has no {old!r}"
        text = text.replace(old, new.replace("PORT", str(port)))
    site = folder / Path(config).name
    site.write_text(text)
    if config.startswith("nginx"):
        main = folder / "nginx.conf"
        # Its workers have to reach the folder, which is this user's.
        user = "user root;\n" if os.geteuid() == 0 else ""
        main.write_text(NGINX.format(folder=folder, site=site, user=user))
        command = [need_program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(main)]
    else:
        command = [need_program("haproxy"), "-db", "-f", str(site)]

    with running(command, folder) as process:
        eventually(lambda: _listens(port, process), f"{command[0]} listens")
        yield port


def _listens(port: int, process: Process) -> bool:
    assert "emerg" not in process.output, process.output
    assert "ALERT" not in process.output, process.output
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[StartProxy]:
    """Start a proxy with one of the examples: ``port = proxy("nginx/one-server.conf", changes)``.
    In the values of ``changes``, PORT stands for the proxy's own port."""
    with ExitStack() as stack:
        yield lambda config, changes: stack.enter_context(_proxy(tmp_path, config, changes))


@pytest.fixture
def node(shared_node: SharedNode, serve: object, proxy: StartProxy) -> Iterator[Node]:
    """Asked for after ``serve`` and ``proxy``, so that clients leave before those do."""
    yield from shared_node.use()
