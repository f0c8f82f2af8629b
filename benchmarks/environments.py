"""Where the peers live: virtual environments and node_modules in a cache, made when asked for."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .generator import BenchmarkError, compile_c

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
        self._have_sockio = False

    def program(self, source: Path) -> Path:
        """The program that a C file is."""
        return compile_c([source], source.stem, self.cache)

    def python(self, name: str) -> Path:
        """The Python of an environment: "here" is the one that runs this, others are groups."""
        if name == "here":
            self._check_here()
            return Path(sys.executable)
        pins = _group(name)
        label = "\n".join((sys.version, *pins)).encode()
        folder = self.cache / f"{name}-{hashlib.sha256(label).hexdigest()[:16]}"
        python = folder / "bin" / "python"
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(folder)], f"make an environment for {name}")
            quietly = ("--quiet", "--disable-pip-version-check")
            _run([str(python), "-m", "pip", "install", *quietly, *pins], f"install {name}")
            (folder / "complete").touch()
        return python

    def _check_here(self) -> None:
        """See that a script would find sockio: the runner does, in the folder it is started in."""
        if not self._have_sockio:
            script = "import sys; sys.path.remove(''); import sockio"
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
            if done.returncode:
                raise BenchmarkError(
                    f"{sys.executable} has no sockio to measure: run `nox -s bench`, or "
                    "`pip install -e .` first."
                )
            self._have_sockio = True

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
        stamp, complete = folder / "package.json", folder / "complete"
        if not complete.exists() or stamp.read_text() != wanted:
            complete.unlink(missing_ok=True)
            stamp.write_text(wanted)
            npm = shutil.which("npm")
            if npm is None:
                raise BenchmarkError("npm is not on PATH: it installs the Node servers.")
            # No scripts: 0.9's client wants to compile native modules, and its server has no use
            # for them. No lock file: the pins are exact, and the cache is nobody's checkout.
            quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
            _run([npm, "install", *quietly], "install the Node servers", folder)
            complete.touch()
        # Node looks for packages beside the script, wherever it is started.
        return Path(shutil.copy(script, folder))


def _group(name: str) -> list[str]:
    import tomli  # only the peers need it

    pyproject = tomli.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    pins: list[str] = pyproject["dependency-groups"][name]
    return pins


def _run(command: Sequence[str], purpose: str, folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"could not {purpose}:\n{done.stdout}{done.stderr}".rstrip())
