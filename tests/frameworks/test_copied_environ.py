"""Layers that give the application a copy of the environ: what it attaches is the client's, and
what they put into the copy is for the session."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from sockio import BaseNamespace, SocketIOMiddleware, socketio_manage
from sockio.testing import Refused

from ..support.generations import EACH_WAY, Way, ways
from ..support.processes import need_module
from ..support.servers import Served, not_ours

Serve = Callable[..., Served]
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Who(BaseNamespace):
    def on_key(self, name: str) -> Any:
        return self.environ.get(name)


def view(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if "/socket.io/" not in environ["SCRIPT_NAME"] + environ["PATH_INFO"]:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not here"]
    if "refused" in environ["QUERY_STRING"]:
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"not you"]
    environ["mine"] = "from the view"
    return socketio_manage(environ, {"": Who})


def copying(app: App) -> App:
    def copies(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return app({**environ, "layer": "from the layer"}, start_response)

    return copies


def cascade(app: App) -> App:
    need_module("paste", requirement="Paste")
    from paste.cascade import Cascade

    def nothing(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"nothing"]

    cascaded: App = Cascade([nothing, copying(app)])
    return cascaded


def grafted(app: App) -> App:
    """As CherryPy's ``tree.graft`` has it."""
    need_module("cherrypy", requirement="CherryPy")
    from cherrypy._cptree import Tree

    tree = Tree()
    tree.graft(copying(app), "")
    mounted: App = tree
    return mounted


LAYERS = [copying, cascade, grafted]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("form", ["wrapped by the server", "wrapped", "wrapped inside"])
def test_a_copy_of_the_environ_is_as_good(
    serve: Serve, layer: Callable[[App], App], form: str
) -> None:
    if form == "wrapped inside":
        app: Any = layer(SocketIOMiddleware(copying(view)))
    else:
        app = layer(view) if form == "wrapped by the server" else SocketIOMiddleware(layer(view))
    server = serve(app)
    for each in ways():
        way: Way = each.values[0]
        client = server.connect(**way)
        assert client.call("key", "mine") == "from the view"
        assert client.call("key", "layer") == "from the layer"
        assert client.call("key", "sockio.claim") is None
        with pytest.raises(Refused) as refused:
            server.browser().connect(query="refused", **way)
        assert (refused.value.status, refused.value.text) == (403, "not you")


@EACH_WAY
def test_a_view_in_cherrypy(serve: Serve, way: Way) -> None:
    need_module("cherrypy", requirement="CherryPy")
    import cherrypy
    from cherrypy._cptree import Tree

    class Site:
        @cherrypy.expose
        def index(self) -> str:
            return "a page"

        @cherrypy.expose
        def default(self, *path: str, **query: str) -> Any:
            answer = socketio_manage(cherrypy.request.wsgi_environ, {"": Who})
            return {"out": "out", "nothing": None, "what": answer}[query["returns"]]

    tree = Tree()
    tree.mount(Site(), "", {"/": {"log.screen": False}})
    server = serve(tree)
    for returns in ("out", "nothing", "what"):
        client = server.browser().connect(query=f"returns={returns}", **way)
        assert f"returns={returns}" in client.call("key", "QUERY_STRING").split("&")


def test_what_is_not_copied_goes_on_working(serve: Serve) -> None:
    client = serve(view).connect()
    assert client.call("key", "mine") == "from the view"
    assert client.call("key", "SCRIPT_NAME") == ""
    assert serve(not_ours, {"": Who}).connect().connected
