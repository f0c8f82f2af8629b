"""As one wrote them for django-socketio."""

import logging

from sockio.integrations.django import (
    on_connect,
    on_disconnect,
    on_error,
    on_finish,
    on_message,
    on_subscribe,
    on_unsubscribe,
)

log = logging.getLogger(__name__)


def note(*what):
    log.info("event: %s", " ".join(what))


@on_connect
def connected(request, socket, context):
    context["name"] = request.user.username or "nobody"
    note("connect", context["name"])


@on_message
def anywhere(request, socket, context, message):
    socket.send({"unbound": message})


@on_message(channel="^room-")
def in_a_room(request, socket, context, message):
    if message == "fail":
        raise ValueError("of on_message")
    socket.send_and_broadcast_channel({"from": context["name"], "text": message})


@on_subscribe(channel="^room-")
def subscribing(request, socket, context, channel):
    if channel == "room-private":
        return request.user.is_staff
    socket.broadcast_channel({"joins": context["name"]}, channel)


@on_unsubscribe(channel="^room-")
def unsubscribing(request, socket, context, channel):
    note("unsubscribe", context["name"], channel)


@on_error
def failed(request, socket, context, exception):
    socket.send({"error": str(exception)})


@on_disconnect
def disconnected(request, socket, context):
    note("disconnect", context["name"])


@on_finish(channel="^room-")
def finished(request, socket, context):
    socket.broadcast_channel({"leaves": context["name"]})
    note("finish", context["name"])


@on_message(channel="^loud$")
def loud(request, socket, context, message):
    getattr(socket, message["say"])(message["text"])
