"""The pages. Two of them tell the sockets something, like any view can."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required, user_passes_test
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from chat.models import MAX_MESSAGE, Message, Room
from sockio.integrations.django import of


class RoomForm(forms.Form):
    name = forms.CharField(max_length=40)

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        if Room.objects.filter(name__iexact=name).exists():
            raise forms.ValidationError("There is a room of that name.")
        return name


class AnnouncementForm(forms.Form):
    room = forms.ModelChoiceField(Room.objects.all(), required=False, empty_label="All rooms")
    text = forms.CharField(max_length=MAX_MESSAGE, widget=forms.Textarea(attrs={"rows": 3}))


@login_required
def rooms(request: HttpRequest) -> HttpResponse:
    """The list of rooms, and the form that opens another."""
    form = RoomForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        room = Room.objects.create(name=form.cleaned_data["name"])
        of("/chat").emit("room", room.name, room.get_absolute_url())
        return redirect(room)
    return render(request, "chat/rooms.html", {"rooms": Room.objects.all(), "form": form})


@login_required
def room(request: HttpRequest, slug: str) -> HttpResponse:
    """One room, with what was said lately."""
    shown = get_object_or_404(Room, slug=slug)
    context = {"room": shown, "history": shown.history(), "max_message": MAX_MESSAGE}
    return render(request, "chat/room.html", context)


@user_passes_test(lambda user: isinstance(user, User) and user.is_staff)
def announce(request: HttpRequest) -> HttpResponse:
    """For the staff: say something in a room, or in all of them. An ordinary form, an ordinary
    view, and it reaches every open page."""
    form = AnnouncementForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        where = form.cleaned_data["room"]
        message = Message.objects.create(room=where, text=form.cleaned_data["text"])
        everybody = of("/chat")
        (everybody.to(where.slug) if where else everybody).emit("message", message.as_json())
        messages.success(request, f"Announced in {where or 'all rooms'}.")
        return redirect("announce")
    return render(request, "chat/announce.html", {"form": form})


def register(request: HttpRequest) -> HttpResponse:
    """A new account. The first one is the host's, who may announce things."""
    form: UserCreationForm[User] = UserCreationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.instance.is_staff = not User.objects.exists()
            user = form.save()
        login(request, user)
        return redirect("rooms")
    return render(request, "registration/register.html", {"form": form})
