"""What ``manage.py check`` says about sockio."""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.urls import Resolver404, get_resolver

from ...exceptions import SockioError
from . import conf
from .registration import namespaces

__all__ = ["check_namespaces", "check_route", "check_settings"]


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
