"""The process in which an application is looked at: run as a script, ``probe.py MODULE:APP OUT``.

Not a module of the package, to Python: that would import gevent and more before the application,
and what is to be found out is what the *application* imports first. The findings go to the file
``OUT`` as JSON, whatever the application prints.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # Its own folder, which every script has there: no application is to find these modules.
    del sys.path[0]

import importlib
import json
import os
import traceback
import warnings

__all__ = ["main"]


def main(target: str, out: str) -> None:
    # An application is looked for where one is.
    sys.path.insert(0, os.getcwd())
    # The package may be a checkout that is on nobody's path.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    module_name, _, attribute = target.partition(":")
    failure = slip = ""
    app = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            module = importlib.import_module(module_name)
            from sockio.config import loading  # only now: see above

            try:
                app = loading.find_named(module, attribute)
            except loading.NoSuchApplication as error:
                slip = str(error)
        except BaseException:  # also sys.exit() at import, which is a way to say no
            failure = traceback.format_exc()
    complaints = [
        str(each.message) for each in caught if each.category.__name__ == "MonkeyPatchWarning"
    ]

    from sockio.doctor.application import examine_application

    findings = examine_application(app, target, failure, complaints, slip)
    with open(out, "w", encoding="utf-8") as file:
        json.dump([vars(each) for each in findings], file)


if __name__ == "__main__":
    main(*sys.argv[1:])
    # Threads and greenlets of the application's own would keep the process.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
