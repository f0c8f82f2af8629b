"""Keeps one worker alive, as a supervisor does: ``nursery.py WORKER ARGUMENTS...``.

What a worker imports is imported here, once: a restart takes milliseconds. This process ends with
its first child that ends by itself.
"""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import runpy  # noqa: E402
import sys  # noqa: E402

import sockio.server  # noqa: E402
import sockio.transports  # noqa: E402, F401

# gevent's would make an event loop here, which no child could go on with.
fork = monkey.get_original("os", "fork")
waitpid = monkey.get_original("os", "waitpid")

while True:
    child = fork()
    if not child:
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")
        break
    _, status = waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        break
