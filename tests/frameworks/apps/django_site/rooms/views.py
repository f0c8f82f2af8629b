import asyncio
import contextlib
import os
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model, login, logout
from django.contrib.auth.decorators import user_passes_test
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from rooms.models import Room
from sockio.integrations.django import NoSocket, broadcast, broadcast_channel, of, send

VERSION = "version 1"


def page(request):
    return render(request, "rooms/page.html", {"version": VERSION})


@csrf_exempt
def log_in(request):
    name = request.POST["nickname"]
    user, _ = get_user_model().objects.get_or_create(
        username=name, defaults={"is_staff": name == "root"}
    )
    login(request, user)
    return HttpResponseRedirect("/")


@csrf_exempt
def log_out(request):
    logout(request)
    return HttpResponseRedirect("/")


def boom(request):
    secret_of_the_frame = "shown by debuggers"
    raise RuntimeError(f"boom {len(secret_of_the_frame)}")


async def slow(request):
    """An async view: asyncio runs a loop in this thread for as long."""
    await asyncio.sleep(float(request.GET.get("seconds", "0.5")))
    return HttpResponse("async")


def open_files(request):
    """How many descriptors of this process are the database, apart from this request's own."""
    database = Path(settings.DATABASES["default"]["NAME"]).resolve()
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += Path(os.readlink(each)) == database
    return JsonResponse({"open": found})


def rooms(request):
    return JsonResponse({"rooms": list(Room.objects.values_list("name", flat=True))})


@csrf_exempt
@user_passes_test(lambda user: user.is_staff)
def announce(request):
    of("/rooms").emit("announcement", request.POST["text"])
    return HttpResponse()


@csrf_exempt
def broadcast_to_all(request):
    fields = request.POST
    try:
        if fields.get("channel"):
            broadcast_channel({"text": fields["text"]}, fields["channel"])
        elif fields.get("session"):
            send(fields["session"], fields["text"])
        else:
            broadcast(fields["text"])
    except NoSocket as nobody:
        return HttpResponse(str(nobody), status=404)
    return HttpResponse()
