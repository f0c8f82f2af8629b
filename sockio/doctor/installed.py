"""What is installed as sockio: ours, whose distribution is called sockio-wsgi, or the other one.

On PyPI ``sockio`` is another project's, with a package of the same name: where both are installed
their files overwrite each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from .findings import Finding

__all__ = ["examine_names", "our_distribution"]

_COMMAND, _IS_OURS = "sockio", "sockio.cli:main"
_THEIRS = "sockio"


def our_distribution() -> metadata.Distribution | None:
    """What this package was installed by: the distribution that has our command."""
    for entry in metadata.entry_points(group="console_scripts", name=_COMMAND):
        if entry.value == _IS_OURS and entry.dist is not None:
            return entry.dist
    return None


def examine_names() -> Iterator[Finding]:
    """Whether the other project's package is installed, too."""
    try:
        theirs = metadata.distribution(_THEIRS)
    except metadata.PackageNotFoundError:
        return
    if any(entry.value == _IS_OURS for entry in theirs.entry_points):
        return  # a checkout that was installed when that was our name
    yield Finding(
        "other-sockio",
        "warning",
        f"the distribution sockio {theirs.version} is installed. It is another project, with a "
        "package of the same name: their files overwrite each other, and whoever removes one of "
        "them breaks the other",
        "pip uninstall sockio, then install ours again, in a clone of it: "
        "pip install --force-reinstall --no-deps .",
    )
