"""Django middleware: other routes for websockets than for pages."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from . import conf
from .rawsocket import asks_for_websocket

__all__ = ["WebSocketURLConfMiddleware"]


class WebSocketURLConfMiddleware:
    """Routes requests for websockets by the module that the setting ``WEBSOCKET_URLCONF`` names."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        urlconf = conf.websocket_urlconf()
        if urlconf is None:
            raise MiddlewareNotUsed("WEBSOCKET_URLCONF is not set")
        self._urlconf = urlconf
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if asks_for_websocket(request.META):
            request.urlconf = self._urlconf
        return self._get_response(request)
