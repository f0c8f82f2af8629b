"""What every test shares.

Patched first: clients, servers and tests run in one process, as greenlets; a client that blocked
would stop the server that it waits for.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import functools  # noqa: E402
import gc  # noqa: E402
import weakref  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from sockio.config import Settings  # noqa: E402
from sockio.http import claims  # noqa: E402
from sockio.testing import ManualRuntime  # noqa: E402

from .support.alone import in_its_own_process, is_alone  # noqa: E402
from .support.node import SharedNode  # noqa: E402
from .support.servers import Served  # noqa: E402
from .support.tls import Certificate, make_certificate  # noqa: E402

# Deadlines per example would be assertions on wall time.
settings.register_profile("default", deadline=None)
settings.register_profile(
    "fuzz", max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("default")


pytest_plugins = ["sockio.testing.pytest_plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without",
        metavar="NAME[,NAME]",
        default="",
        help="run everything with these fast paths left out (the setting of that name)",
    )


def pytest_configure(config: pytest.Config) -> None:
    left_out = Settings.make(without=config.getoption("--without")).without
    # The default itself, for the settings that tests make for themselves.
    defaults: Any = Settings.__init__.__kwdefaults__
    defaults["without"] = left_out


def pytest_collection_finish(session: pytest.Session) -> None:
    # Ten thousand tests are a million objects, which every full collection would look through:
    # there are many, for whatever is told by who is still alive.
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    left_out = Settings.make(without=item.config.getoption("--without")).without
    for mark in item.iter_markers("fast_path"):
        if mark.args[0] in left_out:
            pytest.skip(f"is about the fast path {mark.args[0]!r}, which is left out")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if pyfuncitem.get_closest_marker("alone") is None or is_alone():
        return None
    in_its_own_process(pyfuncitem)
    return True


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """One for servers on this machine, and what trusts it."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def runtime(sockio_clock: ManualRuntime) -> ManualRuntime:
    """A runtime whose clock stands still until ``runtime.advance(seconds)``."""
    return sockio_clock


@pytest.fixture(scope="session")
def shared_node() -> Iterator[SharedNode]:
    """The process of the real JavaScript client, for the fixtures ``node``."""
    shared = SharedNode()
    yield shared
    shared.kill()


@pytest.fixture(autouse=True)
def pythons_own_collections() -> Iterator[None]:
    """A test that serves in this process has the garbage collected at other times from then on."""
    before, callbacks = gc.get_threshold(), gc.callbacks[:]
    yield
    if gc.get_threshold() != before:
        gc.set_threshold(*before)
        gc.callbacks[:] = [each for each in gc.callbacks if each in callbacks]


@pytest.fixture(autouse=True)
def no_greenlet_died(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in whose time a greenlet or a callback of the loop raised: nobody else would."""
    failures: list[str] = []
    hub: Any = gevent.get_hub()
    original = hub.handle_error

    def handle_error(context: Any, kind: Any, value: Any, tb: Any) -> None:
        if isinstance(value, BaseException) and not issubclass(kind, hub.NOT_ERROR):
            failures.append(f"{context!r}: {kind.__name__}: {value}")
        original(context, kind, value, tb)

    hub.handle_error = handle_error
    try:
        yield
        gevent.sleep(0)
    finally:
        del hub.handle_error
    if request.node.get_closest_marker("greenlets_may_die") is None:
        assert not failures


@pytest.fixture
def sockio_serve(sockio_serve: Callable[..., Served]) -> Callable[..., Served]:
    """The clients of this suite are those of 0.9 where a test names no generation; a user's are
    4.x."""
    return functools.partial(sockio_serve, generation="0.9")


@pytest.fixture
def serve(sockio_serve: Callable[..., Served]) -> Callable[..., Served]:
    """Start real servers: ``server = serve(app, **settings)``; all are stopped at the end."""
    return sockio_serve


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without the middlewares that other tests have made."""
    monkeypatch.setattr(claims, "_everybody", weakref.WeakSet())
