"""The WSGI callable without a server: a middleware, a manual clock, and clients that call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.testing import ManualRuntime

from ..support.echo import Echo
from ..support.engine_client import EngineClient
from ..support.servers import not_ours
from ..support.wsgi_client import PollingClient


@pytest.fixture
def connect(runtime: ManualRuntime) -> Iterator[Callable[..., PollingClient]]:
    """Make a client of a new middleware: ``connect({"/chat": Chat}, close_timeout=30)``.

    Without namespaces the global one is :class:`Echo`; ``view=app`` is the view form.
    """
    clients: list[PollingClient] = []

    def make(
        namespaces: Mapping[str, type[BaseNamespace]] | None = None,
        *,
        view: Callable[..., Any] | None = None,
        kind: type[PollingClient] = PollingClient,
        **settings: Any,
    ) -> PollingClient:
        if view is not None:
            middleware = SocketIOMiddleware(view, runtime=runtime, **settings)
        else:
            namespaces = {"": Echo} if namespaces is None else namespaces
            middleware = SocketIOMiddleware(not_ours, namespaces, runtime=runtime, **settings)
        mount = f"/{middleware.settings.resource}"
        client = kind(middleware, middleware.registry, runtime, mount=mount)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
        client.registry.check()


@pytest.fixture(params=[3, 4], ids=["EIO=3", "EIO=4"])
def engine(
    request: pytest.FixtureRequest, connect: Callable[..., PollingClient]
) -> Callable[..., EngineClient]:
    """Like ``connect``, for clients since 1.0; run with both revisions."""

    class Client(EngineClient):
        revision = request.param
        # As 2.x does in node; what it would be sent else is tested by itself.
        extra = "&b64=1" if request.param == 3 else ""

    def make(*args: Any, **kwargs: Any) -> EngineClient:
        client = connect(*args, kind=Client, **kwargs)
        assert isinstance(client, EngineClient)
        return client

    return make
