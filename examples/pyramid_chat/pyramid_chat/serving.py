"""What ``[server:main]`` of development.ini names: gevent's server, for pserve.

pserve loads the server before the application, so patching right here comes before whatever the
application imports (SQLAlchemy, and all that keeps a lock or a socket). What pserve itself has
imported by then, ``threading`` and ``logging`` among it, gevent patches in place; where it could
not, it would warn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import hupper
from gevent import monkey

if hupper.is_active():
    sys.exit(
        "pserve --reload has started its threads already, and gevent cannot patch those. Instead:\n"
        "watchfiles 'python -m pyramid.scripts.pserve development.ini' pyramid_chat"
    )
monkey.patch_all()


def server_factory(
    global_config: dict[str, str], host: str = "127.0.0.1", port: str = "6543"
) -> Callable[[Any], None]:
    """A function that serves an application until SIGINT or SIGTERM."""
    from sockio.server import serve  # not above: what it imports has to be patched first

    port = global_config.get("port", port)  # port=9000 behind the name of the ini file

    def run(app: Any) -> None:
        serve(app, host, int(port))

    return run
