"""Compiles the load generator and runs it against a server."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["BenchmarkError", "compile_c", "compiler", "load_generator", "run"]

SOURCES = Path(__file__).resolve().parent / "loadgen"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror=implicit")


class BenchmarkError(Exception):
    """A run that has no figures: the message says why."""


def compiler() -> str | None:
    """The C compiler to use: ``$CC``, else ``cc``; None when there is none."""
    return shutil.which(os.environ.get("CC", "cc"))


def compile_c(sources: Sequence[Path], name: str, cache: Path) -> Path:
    """The program made of those sources; compiled once for each state of them."""
    cc = compiler()
    if cc is None:
        raise BenchmarkError("there is no C compiler: install one, or name it in $CC.")
    digest = hashlib.sha256(" ".join((cc, *FLAGS)).encode())
    for path in sorted({*sources, *(h for s in sources for h in s.parent.glob("*.h"))}):
        digest.update(path.read_bytes())
    program = cache / f"{name}-{digest.hexdigest()[:16]}"
    if not program.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(f".{os.getpid()}")
        done = subprocess.run(
            [cc, *FLAGS, "-o", str(fresh), *map(str, sources)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchmarkError(f"{name} does not compile:\n{done.stderr}")
        fresh.replace(program)  # in one step: another run may want it now
    return program


def load_generator(cache: Path) -> Path:
    """The compiled load generator."""
    return compile_c(sorted(SOURCES.glob("*.c")), "loadgen", cache)


def run(
    program: Path,
    arguments: Sequence[str],
    timeout: float = 300,
    prepare: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """The figures of one run, as the generator prints them; raises BenchmarkError for an error."""
    try:
        done = subprocess.run(
            [str(program), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            preexec_fn=prepare,
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"the load generator did not end within {timeout:g} seconds") from None
    try:
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise BenchmarkError(
            f"the load generator ended with {done.returncode}: {done.stdout}{done.stderr}"
        ) from None
    if "error" in figures:
        raise BenchmarkError(figures["error"])
    return figures
