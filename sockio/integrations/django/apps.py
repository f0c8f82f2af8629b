"""The app: finds the ``sockets.py`` of all others when Django starts."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from . import conf

__all__ = ["SockioConfig"]


class SockioConfig(AppConfig):
    name = "sockio.integrations.django"
    label = "sockio"
    verbose_name = "Socket.IO"
    default = True

    def ready(self) -> None:
        from . import checks  # noqa: F401  (registers them)

        # Raises what such a module raises; an app that has none is passed over.
        autodiscover_modules(*conf.autodiscover())
