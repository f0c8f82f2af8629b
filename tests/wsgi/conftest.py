"""The WSGI callable without a server: a middleware, a manual clock, and clients that call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from sockio import BaseNamespace, SocketIOMiddleware
from sockio.testing import ManualRuntime

from ..support.echo import Echo
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
        **settings: Any,
    ) -> PollingClient:
        if view is not None:
            middleware = SocketIOMiddleware(view, runtime=runtime, **settings)
        else:
            namespaces = {"": Echo} if namespaces is None else namespaces
            middleware = SocketIOMiddleware(not_ours, namespaces, runtime=runtime, **settings)
        mount = f"/{middleware.settings.resource}"
        client = PollingClient(middleware, middleware.registry, runtime, mount=mount)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
        client.registry.check()
