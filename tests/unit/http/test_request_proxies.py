"""A request that a namespace keeps is the one that a framework's proxy stands for right now."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from sockio.http.frameworks import without_proxy

from ...support.processes import need_module

Stands = tuple[Any, Any]


def flask(opened: ExitStack) -> Stands:
    need_module("flask", requirement="Flask")
    import flask

    context = flask.Flask("site").test_request_context("/page")
    opened.enter_context(context)
    return flask.request, context.request


def cherrypy(opened: ExitStack) -> Stands:
    need_module("cherrypy", requirement="CherryPy")
    import cherrypy
    from cherrypy.lib.httputil import Host

    local = Host("127.0.0.1", 80)
    request = cherrypy.serving.request = cherrypy._cprequest.Request(local, local)
    opened.callback(cherrypy.serving.clear)
    return cherrypy.request, request


def pylons(opened: ExitStack) -> Stands:
    need_module("paste.registry", requirement="Paste")
    from paste.registry import StackedObjectProxy

    request = object()
    proxy = StackedObjectProxy(name="request")
    proxy._push_object(request)
    opened.callback(proxy._pop_object)
    return proxy, request


def turbogears(opened: ExitStack) -> Stands:
    class TurboGearsContextMember:
        """As ``tg.request_local`` has it, which takes a dozen packages to import."""

        def _current_obj(self) -> Any:
            return request

        def __getattr__(self, name: str) -> Any:
            return getattr(request, name)

    request = object()
    return TurboGearsContextMember(), request


def none(opened: ExitStack) -> Stands:
    class Request:
        def __getattr__(self, name: str) -> Any:
            return lambda: "whatever one asks for"

    request = Request()
    return request, request


@pytest.mark.parametrize("of", [flask, cherrypy, pylons, turbogears, none])
def test_a_proxy_is_replaced_by_what_it_stands_for(of: Callable[[ExitStack], Stands]) -> None:
    with ExitStack() as opened:
        proxy, request = of(opened)
        assert without_proxy(proxy) is request


def test_bottles_request_is_copied_as_it_is_one_for_all() -> None:
    need_module("bottle", requirement="bottle")
    import bottle

    bottle.request.bind({"PATH_INFO": "/page"})
    kept = without_proxy(bottle.request)
    bottle.request.bind({"PATH_INFO": "/next"})
    assert kept.path == "/page"
