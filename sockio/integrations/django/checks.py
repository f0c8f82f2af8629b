"""What ``manage.py check`` says about sockio."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.core import checks
from django.urls import Resolver404, get_resolver
from django.utils.module_loading import import_string

from ...exceptions import SockioError
from . import conf
from .middleware import WebSocketURLConfMiddleware
from .registration import namespaces

__all__ = ["check_namespaces", "check_route", "check_settings", "check_websocket_routes"]


@checks.register("sockio")
def check_settings(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """``SOCKETIO`` names settings that exist, with values that can work."""
    try:
        conf.middleware_settings()
    except SockioError as error:
        return [checks.Error(f"SOCKETIO: {error}", id="sockio.E001")]
    return []


@checks.register("sockio")
def check_namespaces(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """The registered classes and handlers go together."""
    try:
        namespaces()
    except SockioError as error:
        return [checks.Error(str(error), id="sockio.E002")]
    return []


@checks.register("sockio", "urls")
def check_route(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Handshakes have a view to go to."""
    if check_settings(app_configs):
        return []
    try:
        get_resolver().resolve(f"/{conf.resource()}/1/")
    except Resolver404:
        return [
            checks.Warning(
                f"No view answers at /{conf.resource()}/, so no Socket.IO client is let in.",
                hint='Add path("", include("sockio.integrations.django.urls")) to the urlpatterns.',
                id="sockio.W001",
            )
        ]
    return []


@checks.register("sockio", "urls")
def check_websocket_routes(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """The routes of websockets exist, and somebody uses them."""
    urlconf = conf.websocket_urlconf()
    if urlconf is None:
        return []
    found: list[checks.CheckMessage] = []
    try:
        import_module(urlconf)
    except ImportError as error:
        found.append(
            checks.Error(
                f"WEBSOCKET_URLCONF={urlconf!r} cannot be imported: {error}", id="sockio.E003"
            )
        )
    if not any(map(_routes_websockets, settings.MIDDLEWARE)):
        name = f"{WebSocketURLConfMiddleware.__module__}.{WebSocketURLConfMiddleware.__name__}"
        found.append(
            checks.Warning(
                "WEBSOCKET_URLCONF is set, and nothing routes by it: websockets are looked up in "
                "ROOT_URLCONF.",
                hint=f'Put "{name}" first into MIDDLEWARE.',
                id="sockio.W002",
            )
        )
    return found


def _routes_websockets(path: str) -> bool:
    try:
        middleware = import_string(path)
    except ImportError:  # Django says so itself
        return False
    return isinstance(middleware, type) and issubclass(middleware, WebSocketURLConfMiddleware)
