"""What frameworks have of their own: answers, requests, and what they make JSON of.

No framework is imported here: one that a view uses has been.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from ..protocol.strict_json import loads

__all__ = [
    "Attached",
    "answer_for_caller",
    "json_default_of",
    "layers",
    "without_proxy",
]

#: Where the environ has the failures that a framework has made pages of.
OVERHEARD = "sockio.overheard"


class Attached:
    """An empty answer: an iterable for bare WSGI, an application for Flask and WebOb."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return []


def answer_for_caller(request: object = None) -> Attached:
    """An empty answer that the view can return which called us, in whatever framework it runs.

    Django's and Pyramid's are of their own classes; to all others an application will do. Where
    nobody of a framework is among the callers, as in a coroutine, ``request`` says which it is.
    """
    frame = sys._getframe(1).f_back
    while frame is not None:
        framework = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        made = _answer_of(framework)
        if made is not None:
            return made
        if framework in _ENOUGH:
            return Attached()
        frame = frame.f_back
    for each in type(request).__mro__:
        made = _answer_of(each.__module__.partition(".")[0])
        if made is not None:
            return made
    return Attached()


def _answer_of(framework: str) -> Attached | None:
    """An empty answer of a framework that takes its own alone."""
    if framework not in _ANSWERS:
        return None
    kind = _class_of(*_ANSWERS[framework])
    if kind is None:
        return None
    made = kind(content_type="text/plain")
    # A cache of the framework's would give it to the next one, who has to be asked himself.
    made.headers["Cache-Control"] = "private"
    return cast("Attached", made)


#: The class of an answer, by framework.
_ANSWERS = {
    "django": ("django.http", "HttpResponse"),
    "pyramid": ("pyramid.response", "Response"),
}
#: Who takes what WSGI takes; and what is behind us called no view.
_ENOUGH = {"bottle", "flask", "sockio"}


@functools.cache
def _made_from(response: type) -> Any:
    # The framework's own comes first: what is done to the answer behind the view counts.
    return type("Attached", (response, Attached), {})


def _class_of(module: str, name: str) -> Any:
    """A class whose instances are answers of the framework, and of ours too."""
    response = getattr(sys.modules.get(module), name, None)
    return None if response is None else _made_from(response)


# ---- requests


def without_proxy(request: Any) -> Any:
    """What a context-bound proxy stands for right now; any other request is itself.

    Werkzeug's (Flask) and Paste's (Pylons), of which TurboGears has its own, tell by a method.
    """
    kind = type(request).__name__
    if kind == "_ThreadLocalProxy" and "cherrypy" in sys.modules:
        return getattr(sys.modules["cherrypy"].serving, request.__attrname__)
    if kind == "LocalRequest":
        # Bottle's is no proxy but one object, whose environ is that of the current request.
        return request.copy()
    for name in ("_get_current_object", "_current_obj"):
        # Asked of the class: a request may have whatever one asks for.
        if hasattr(type(request), name):
            return getattr(request, name)()
    return request


# ---- JSON

_Default = Callable[[Any], Any]


def json_default_of(app: Any) -> _Default | None:
    """What makes of a value that JSON does not have (a ``datetime``) what the framework of ``app``
    makes of it in its own answers; None for an application of no framework that is known.

    ``app`` may be wrapped, as far as the wrapping tells. The function raises what the framework
    does, or ``TypeError``.
    """
    for each in layers(app):
        for module, name, of in _WRITERS:
            kind = getattr(sys.modules.get(module), name, None)
            if kind is not None and isinstance(each, kind):
                return of(each)
    return None


#: By what names WSGI middlewares keep what they are around.
_INSIDE = ("app", "application", "wsgi_app", "_app", "wrapped")
#: So many of them are looked through.
_MOST = 20


def layers(app: Any) -> Iterator[Any]:
    """An application and what it is around, as far as the wrapping tells."""
    for _ in range(_MOST):
        # A method, as Flask's ``app.wsgi_app``, has its object.
        app = getattr(app, "__self__", app)
        yield app
        own = getattr(app, "__dict__", {})
        app = next((own[name] for name in _INSIDE if callable(own.get(name))), None)
        if app is None:
            return


def _json_of_flask(app: Any) -> _Default:
    # The provider may be another one until the first value comes.
    return lambda value: loads(app.json.dumps(value))


def _json_of_django(app: Any) -> _Default:
    def default(value: Any) -> Any:
        encoder: Any = importlib.import_module("django.core.serializers.json").DjangoJSONEncoder
        return encoder().default(value)

    return default


def _json_of_pyramid(app: Any) -> _Default:
    """By the renderer ``json``, with its adapters and ``__json__``."""

    def default(value: Any) -> Any:
        helper: Any = importlib.import_module("pyramid.renderers").RendererHelper
        request = sys.modules["pyramid.threadlocal"].get_current_request()
        render = helper("json", registry=app.registry).renderer
        return loads(render(value, {"request": None if request is None else _Aside(request)}))

    return default


class _Aside:
    """A request, but for its response: rendering would make JSON of a view's own."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self.response = importlib.import_module("pyramid.response").Response()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)


_WRITERS: tuple[tuple[str, str, Callable[[Any], _Default]], ...] = (
    ("flask", "Flask", _json_of_flask),
    ("django.core.handlers.wsgi", "WSGIHandler", _json_of_django),
    ("pyramid.router", "Router", _json_of_pyramid),
)
