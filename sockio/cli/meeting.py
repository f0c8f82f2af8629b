"""Where the workers of one command find each other: the directory of their mesh."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..backplane.mesh.directory import Directory, directory_for
from ..exceptions import SettingsError
from .problem import Problem

__all__ = ["VARIABLE", "Meeting"]

#: The environment variable that names the directory: to the workers, and from outside to this
#: command, where several are to be one server.
VARIABLE = "SOCKIO_MESH"


class Meeting:
    """The directory of those who serve on ``host`` and ``port``, as a socket is bound to them,
    unless the environment names another, or ``off``.

    It is made here, so that what is wrong with it is said once: raises ``Problem``.
    """

    def __init__(self, host: str, port: int) -> None:
        given = os.environ.get(VARIABLE)
        self._ours = not given
        #: For the environment of the workers.
        self.path = given or str(directory_for([f"{host}:{port}"]))
        if self.path != "off":
            try:
                Directory(self.path)
            except SettingsError as error:
                raise Problem(f"{error} Name one by {VARIABLE}=/path") from error

    def end(self) -> None:
        """Remove it, when the last worker has ended and the port is still ours. One that was given
        stays, and one in which somebody is, or was and has been killed."""
        if self._ours:
            path = Path(self.path)
            with contextlib.suppress(OSError):
                if os.listdir(path) == ["key"]:
                    (path / "key").unlink()
                path.rmdir()
