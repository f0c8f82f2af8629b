"""The view that lets clients in. Django runs it for handshakes, with session and user."""

from __future__ import annotations

import functools
import logging
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from ...exceptions import NotInstalled, UsageError
from ...http.manage import socketio_manage
from .outside import remember
from .patching import check_patching
from .registration import namespaces

__all__ = ["socketio"]

log = logging.getLogger("sockio.django")

_NOT_INSTALLED = """\
this request did not come through sockio's middleware. Make the application of wsgi.py by

    from sockio.integrations.django import get_wsgi_application
    application = get_wsgi_application()

and start a server that can serve it: python manage.py runserver_socketio, or gunicorn with
-k gevent_pywsgi. Django's own runserver cannot."""

_NO_NAMESPACES = """\
the site has no namespaces. Write a sockets.py in one of the INSTALLED_APPS:

    from sockio import BaseNamespace
    from sockio.integrations.django import namespace

    @namespace("/chat")
    class ChatNamespace(BaseNamespace): ..."""


@functools.cache
def _tell_of_no_context() -> None:
    """The server has wrapped Django's own application; say so once."""
    log.warning(
        "the application is Django's own, so nothing closes the database connections of handlers, "
        "and the settings SOCKETIO do not count. Write in wsgi.py: from sockio.integrations.django "
        "import get_wsgi_application, and application = get_wsgi_application()."
    )


def _socketio(request: HttpRequest) -> HttpResponse:
    """Let the client of this handshake into every namespace of the site; they refuse on their own.

    For a site whose sockets are for some visitors only, call it from a view of your own::

        @login_required
        def socketio_view(request):
            return socketio(request)
    """
    environ: dict[str, Any] = request.META
    socket = environ.get("socketio")
    if socket is None:
        raise NotInstalled(_NOT_INSTALLED)
    check_patching()
    known = namespaces()
    if not known:
        raise UsageError(_NO_NAMESPACES)
    user = getattr(request, "user", None)
    if user is not None:
        # Django's is looked up when first used. Used here, in the request that has the session, it
        # is the same for all handlers, which run later and elsewhere.
        _ = user.is_authenticated
    socketio_manage(environ, known, request)
    if socket.config.context is None:
        _tell_of_no_context()
    remember(socket.server)
    return HttpResponse(content_type="text/plain")


socketio = csrf_exempt(_socketio)
