"""Where the peers live: virtual environments and node_modules in a cache, made when asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .generator import BenchmarkError

__all__ = ["Environments", "default_cache"]

HERE = Path(__file__).resolve().parent
NODE_PEERS = HERE / "peers" / "node"


def default_cache() -> Path:
    """The directory for what is compiled and installed; nothing in it is needed afterwards."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sockio-benchmarks"


class Environments:
    """The environments below one cache directory."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache

    def python(self, name: str) -> Path:
        """The Python of an environment: "here" is the one that runs this."""
        if name != "here":
            raise BenchmarkError(f"there is no environment {name!r}")
        return Path(sys.executable)

    def node(self) -> str:
        """The path of Node."""
        node = shutil.which("node")
        if node is None:
            raise BenchmarkError("node is not on PATH: install it, or leave the Node servers out.")
        return node

    def node_script(self, script: Path) -> Path:
        """A copy of that script beside the node_modules which it needs."""
        folder = self.cache / "node"
        folder.mkdir(parents=True, exist_ok=True)
        wanted = (NODE_PEERS / "package.json").read_text()
        stamp = folder / "package.json"
        if not (folder / "complete").exists() or stamp.read_text() != wanted:
            (folder / "complete").unlink(missing_ok=True)
            stamp.write_text(wanted)
            npm = shutil.which("npm")
            if npm is None:
                raise BenchmarkError("npm is not on PATH: it installs the Node servers.")
            quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
            done = subprocess.run(
                [npm, "install", *quietly], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise BenchmarkError(f"npm could not install the Node servers:\n{done.stderr}")
            (folder / "complete").touch()
        # Node looks for packages beside the script, wherever it is started.
        return Path(shutil.copy(script, folder))
