"""``{% load socketio_tags %}``: the client script, and the addresses of websockets."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.template import Library
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .. import conf

__all__ = ["register", "socketio", "websocket_url"]

register = Library()


@register.simple_tag
def socketio(nonce: str = "") -> SafeString:
    """The scripts that a page needs before ``io('/chat')``.

    The client (setting ``SOCKETIO_CLIENT``, without it client 4.x from a public CDN; where its hash
    is known, by ``SOCKETIO_CLIENT_INTEGRITY`` for others than that, the browser takes no other
    script), and a small script of sockio's that tells it where this site's endpoint is and adds
    ``subscribe`` and ``unsubscribe``. ``nonce`` is that of the page's Content-Security-Policy.
    """
    client = conf.client()
    if "//" not in client and not client.startswith("/"):
        client = static(client)
    attribute = format_html(' nonce="{}"', nonce) if nonce else ""
    integrity = conf.client_integrity()
    pinned = format_html(' integrity="{}" crossorigin="anonymous"', integrity) if integrity else ""
    return format_html(
        '<script src="{}"{}{}></script>\n'
        '<script src="{}" data-resource="{}" data-url="{}"{}></script>',
        client,
        pinned,
        attribute,
        static("sockio/channels.js"),
        (get_script_prefix() + conf.resource()).strip("/"),
        conf.url(),
        attribute,
    )


@register.simple_tag(takes_context=True)
def websocket_url(context: Any, name: str, *args: Any, **kwargs: Any) -> str:
    """The absolute address of a websocket view, ``ws://`` or ``wss://``: ``{% url %}`` for
    websockets. Looks in ``WEBSOCKET_URLCONF`` where that is set."""
    path = reverse(name, urlconf=conf.websocket_urlconf(), args=args, kwargs=kwargs)
    elsewhere = conf.url()
    if elsewhere:
        scheme, _, host = elsewhere.partition("://")
        secure = scheme == "https"
    else:
        request = context.get("request")
        if request is None:
            raise ImproperlyConfigured(
                "{% websocket_url %} needs the request: render the template with it, and have "
                "django.template.context_processors.request in TEMPLATES."
            )
        host, secure = request.get_host(), request.is_secure()
    return f"{'wss' if secure else 'ws'}://{host}{path}"
