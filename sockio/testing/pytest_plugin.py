"""Fixtures for pytest. Opt in, in the ``conftest.py`` beside your tests' root::

    from gevent import monkey

    monkey.patch_all()  # if the application's handlers block: first of all, as its server does

    pytest_plugins = ["sockio.testing.pytest_plugin"]

``sockio_serve``      starts servers: ``server = sockio_serve(app)``, stopped at the end
``sockio_clock``      a clock by hand, for ``sockio_serve(..., runtime=sockio_clock)``
``sockio_transport``  the name of every transport of 0.9 in turn: the test runs once over each
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from . import TRANSPORTS, LiveServer, ManualRuntime

__all__ = ["sockio_clock", "sockio_serve", "sockio_transport"]


@pytest.fixture
def sockio_serve() -> Iterator[Callable[..., LiveServer]]:
    """Start servers: arguments as for :class:`~sockio.testing.LiveServer`. They are checked and
    stopped at the end of the test."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(LiveServer(*args, **options))


@pytest.fixture
def sockio_clock() -> ManualRuntime:
    """A clock that stands still until ``sockio_clock.advance(seconds)``."""
    return ManualRuntime()


@pytest.fixture(params=TRANSPORTS)
def sockio_transport(request: pytest.FixtureRequest) -> str:
    """The name of each transport of 0.9 in turn."""
    return str(request.param)
