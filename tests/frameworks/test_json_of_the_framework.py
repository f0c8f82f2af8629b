"""What JSON does not have (a date, a Decimal, a UUID) is written as the application's framework
writes it."""

from __future__ import annotations

import datetime
import functools
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from sockio import BaseNamespace, SocketIOMiddleware, UsageError
from sockio.http.frameworks import json_default_of
from sockio.testing import LiveServer

from ..support.processes import need_module
from ..support.servers import not_ours

Serve = Callable[..., LiveServer]

WHEN = datetime.datetime(2026, 11, 30, 1, 50, tzinfo=datetime.timezone.utc)
VALUES = [WHEN, Decimal("1.50"), uuid.UUID(int=7)]


class Values(BaseNamespace):
    def on_values(self) -> Any:
        self.emit("values", VALUES, b"bytes")
        return VALUES


def flask_app() -> Any:
    need_module("flask", requirement="Flask")
    import flask

    app = flask.Flask("site")

    @app.get("/values")
    def values() -> Any:
        return flask.jsonify(VALUES)

    return app


def pyramid_app() -> Any:
    need_module("pyramid", requirement="pyramid")
    from pyramid.config import Configurator
    from pyramid.renderers import JSON

    renderer = JSON()
    for kind in (datetime.datetime, Decimal, uuid.UUID):
        # As the renderer hands it on: the request has what the application's has.
        renderer.add_adapter(kind, lambda value, request: f"{type(value).__name__} {value}")

    def values(request: Any) -> Any:
        return VALUES

    def tell(request: Any) -> Any:
        request.registry["sockio"].of("").emit("values", VALUES)
        return request.response

    with Configurator() as config:
        config.add_renderer("json", renderer)
        config.add_route("values", "/values")
        config.add_view(values, route_name="values", renderer="json")
        config.add_route("tell", "/tell")
        config.add_view(tell, route_name="tell")
        return config


class Layer:
    def __init__(self, app: Any) -> None:
        self.application = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.application(environ, start_response)


def bare_flask() -> Any:
    return SocketIOMiddleware(flask_app(), {"": Values})


def flask_as_in_the_tutorial() -> Any:
    app = flask_app()
    app.wsgi_app = SocketIOMiddleware(app.wsgi_app, {"": Values})
    return app


def flask_behind_layers() -> Any:
    app = flask_app()
    app.wsgi_app = Layer(app.wsgi_app)
    return SocketIOMiddleware(Layer(app.wsgi_app), {"": Values})


def flask_extension() -> Any:
    app = flask_app()
    from sockio.integrations.flask import SocketIO

    SocketIO(app, {"": Values})
    return app


def bare_pyramid() -> Any:
    return SocketIOMiddleware(pyramid_app().make_wsgi_app(), {"": Values})


def pyramid_helper() -> Any:
    config = pyramid_app()
    config.include("sockio.integrations.pyramid")
    config.add_socketio({"": Values})
    from sockio.integrations.pyramid import make_wsgi_app

    return make_wsgi_app(config)


@pytest.mark.parametrize("generation", ["0.9", "eio4"])
@pytest.mark.parametrize(
    "make",
    [
        bare_flask,
        flask_as_in_the_tutorial,
        flask_behind_layers,
        flask_extension,
        bare_pyramid,
        pyramid_helper,
    ],
)
def test_a_handlers_values_are_those_of_a_view(
    sockio_serve: Serve, make: Callable[[], Any], generation: str
) -> None:
    server = sockio_serve(make())
    of_a_view = json.loads(server.browser().get("/values").text)
    client = server.connect(generation=generation)
    assert client.call("values") == of_a_view
    values, attachment = client.expect("values").args
    assert values == of_a_view
    assert attachment in (b"bytes", {"base64": "Ynl0ZXM="})


def test_an_emit_leaves_the_answer_of_a_pyramid_view_as_it_is(sockio_serve: Serve) -> None:
    server = sockio_serve(pyramid_helper())
    client = server.connect()
    answer = server.browser().get("/tell")
    assert answer.headers["content-type"].startswith("text/html")
    assert client.expect("values").args[0][1] == "Decimal 1.50"


def test_flasks_provider_may_be_replaced_later() -> None:
    app = flask_app()
    default = json_default_of(app.wsgi_app)
    assert default is not None
    app.json.default = str
    assert default(Decimal("1.50")) == "1.50"
    assert default({1}) == "{1}"


def test_djangos_values() -> None:
    need_module("django", requirement="Django")
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.serializers.json import DjangoJSONEncoder

    # Made without its middlewares, for which there would have to be a project.
    default = json_default_of(Layer(object.__new__(WSGIHandler)))
    assert default is not None
    assert [default(value) for value in VALUES] == json.loads(DjangoJSONEncoder().encode(VALUES))
    with pytest.raises(TypeError):
        default({1})


def test_the_settings_come_first(sockio_serve: Serve) -> None:
    app = flask_app()
    server = sockio_serve(SocketIOMiddleware(app, {"": Values}, json_default=repr))
    assert server.connect().call("values") == [repr(value) for value in VALUES]
    sevens = functools.partial(json.dumps, default=lambda value: 7)
    server = sockio_serve(SocketIOMiddleware(app, {"": Values}, json_dumps=sevens))
    assert server.connect().call("values") == [7, 7, 7]


def test_without_a_framework_nothing_is_guessed() -> None:
    assert json_default_of(not_ours) is None
    assert json_default_of(Layer(Layer(not_ours))) is None
    again = Layer(None)
    again.application = again
    assert json_default_of(again) is None
    middleware = SocketIOMiddleware(not_ours, {"": Values})
    middleware.registry.known.add("")
    with pytest.raises(UsageError, match="json_default"):
        middleware.registry.copier.copy({"type": "event", "name": "values", "args": VALUES})
