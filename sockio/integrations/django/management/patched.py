"""Run a script, or with ``-m`` a module, as ``python`` does, patched by gevent from the start.

A program, run by its path; it imports nothing of sockio or Django, because whatever is imported
before the patching may keep what blocks.
"""

from __future__ import annotations

import os
import runpy
import sys

from gevent import monkey

__all__ = ["main"]


def main() -> None:
    monkey.patch_all()
    arguments = sys.argv[1:]
    # In the place of this file's own folder, what python would have put there.
    if arguments[0] == "-m":
        sys.path[0] = os.getcwd()
        sys.argv[:] = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
        sys.argv[:] = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
