"""Killing, stopping and parting things, under load: `nox -s failures` runs these, and nobody else,
since each takes seconds or tens of them.

The quick ones of each kind are where their subject is tested.
"""

from __future__ import annotations

import os

from ..mesh.conftest import workers
from ..redis.conftest import (
    cluster,
    hosts,
    listen,
    packages,
    redis_folder,
    server,
    start_redis,
)

__all__ = [
    "cluster",
    "hosts",
    "listen",
    "packages",
    "redis_folder",
    "server",
    "start_redis",
    "workers",
]

if "SOCKIO_FAILURES" not in os.environ:
    collect_ignore_glob = ["test_*.py"]
