"""The whole way, from JavaScript to a namespace's method and back: over every transport, and with
the namespaces given in both forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import pytest
from webob import Request

from sockio import BaseNamespace, socketio_manage

from ..support.node import Node, SharedNode
from ..support.servers import Served, not_ours
from ..support.transcript import Transcript

Start: TypeAlias = Callable[..., Served]


@pytest.fixture(params=["websocket", "xhr-polling"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["mapping", "view"])
def form(request: pytest.FixtureRequest) -> str:
    """How the namespaces are given: to the middleware, or by a view to socketio_manage()."""
    return str(request.param)


@pytest.fixture
def journal() -> Transcript:
    """What happened on the server's side."""
    return Transcript("server")


@pytest.fixture
def start(serve: Callable[..., Served], form: str, journal: Transcript) -> Start:
    """Start a server: ``server = start({"/chat": Chat}, **settings)``."""

    def start(namespaces: Mapping[str, type[BaseNamespace]], **settings: Any) -> Served:
        recorded = {
            name: type(cls.__name__, (cls,), {"journal": journal})
            for name, cls in namespaces.items()
        }
        if form == "mapping":
            return serve(not_ours, recorded, **settings)

        def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            if environ["PATH_INFO"].startswith("/socket.io/"):
                return socketio_manage(environ, recorded, Request(environ))
            return not_ours(environ, start_response)

        return serve(view, **settings)

    return start


@pytest.fixture
def node(shared_node: SharedNode, start: Start) -> Iterator[Node]:
    """A node process for real clients. Asked for after ``start``, so that its clients leave before
    the servers do."""
    yield from shared_node.use()


@pytest.fixture
def doomed_node(start: Start) -> Iterator[Node]:
    """A node process of the test's own, to be killed."""
    node = Node()
    yield node
    node.kill()
