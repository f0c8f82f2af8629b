"""A plain application that is named where the wrapped one beside it was meant.

::

    application = SocketIOMiddleware(app, {"/chat": Chat})      # and "chat:app" is served
"""

from __future__ import annotations

import gc
import types
from typing import Any

from .frameworks import layers
from .middleware import SocketIOMiddleware

__all__ = ["is_wrapped_elsewhere", "wrapped_as"]


def wrapped_as(module: Any, app: Any, *, served: bool = False) -> str:
    """The name under which ``module`` has ``app`` in a middleware, where ``app`` itself has none;
    "" otherwise. With ``served`` only of a middleware that serves namespaces by itself: where a
    view decides, a server may wrap the application as well.
    """
    if _middleware_of(app) is not None:
        return ""
    for name, value in list(vars(module).items()):
        if isinstance(value, (type, types.ModuleType)) or not callable(value):
            continue
        try:
            middleware = _middleware_of(value)
            if middleware is not None and _wraps(middleware, app):
                return "" if served and middleware.namespaces is None else name
        except Exception:
            # A proxy, such as Flask's request, which stands for nothing at the moment.
            continue
    return ""


def is_wrapped_elsewhere(app: Any) -> bool:
    """Whether a middleware of this process is around ``app``, which has none itself: so that no
    request meets it that comes by ``app``. Looks at every object that there is."""
    if _middleware_of(app) is not None:
        return False
    return any(
        _wraps(each, app)
        for each in gc.get_objects()
        if type(each) is SocketIOMiddleware and not each.inside.stands_in
    )


def _middleware_of(app: Any) -> SocketIOMiddleware | None:
    return next((each for each in layers(app) if isinstance(each, SocketIOMiddleware)), None)


def _wraps(middleware: SocketIOMiddleware, app: Any) -> bool:
    if getattr(app, "__name__", "") == "wsgi_app":
        # Flask's, Bottle's: by another name it is the application all the same.
        app = getattr(app, "__self__", app)
    return middleware.app == app or any(each is app for each in layers(middleware.app))
