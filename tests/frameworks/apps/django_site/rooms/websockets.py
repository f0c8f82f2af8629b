from django.contrib.auth.decorators import login_required
from django.http import HttpResponse

from rooms.models import Room
from sockio.integrations.django import (
    accept_websocket,
    fresh_context,
    require_websocket,
    websocket,
)


@websocket(subprotocols=["echo.v2", "echo.v1"])
def echo(request, websocket):
    for message in websocket:
        websocket.send(message)


@require_websocket
def old_echo(request):
    request.websocket.send(request.websocket.wait())


@accept_websocket
def lower(request):
    if not request.is_websocket():
        return HttpResponse(request.GET["message"].lower())
    for message in request.websocket:
        request.websocket.send(message.lower())


@login_required
@websocket
def private(request, websocket):
    websocket.send(request.user.username)
    with fresh_context():
        websocket.send(str(Room.objects.count() >= 0))


@websocket
def polls(request, websocket):
    """Everything that does not wait."""
    websocket.send(f"{websocket.read('nothing')} {websocket.has_messages()}")
    first = websocket.receive()
    websocket.send(f"{first} {websocket.count_messages()}")
    try:
        while websocket.read() is not None:
            pass
        websocket.receive(timeout=0.05)
    except TimeoutError as error:
        websocket.send(f"{error}; {websocket.fileno() == websocket.handler.socket.fileno()}")


@websocket
def raises(request, websocket):
    websocket.receive()
    raise RuntimeError("in a websocket view")


@websocket
def chat(request, websocket, room):
    websocket.send(f"welcome to {room}")
