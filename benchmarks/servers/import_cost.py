"""What importing sockio takes in a fresh interpreter that has gevent and WebOb; prints JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def resident() -> int:
    """Bytes of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main() -> None:
    started = time.perf_counter()
    import gevent.monkey
    import gevent.pywsgi

    of_gevent = time.perf_counter() - started
    assert gevent.pywsgi is not None
    modules, memory = len(sys.modules), resident()
    started = time.perf_counter()
    import sockio.server.server

    of_sockio = time.perf_counter() - started
    assert sockio.server is not None
    figures = {
        "gevent": of_gevent,
        "sockio": of_sockio,
        "modules": len(sys.modules) - modules,
        "bytes": resident() - memory,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
