"""What a reader of the page on Django has."""

from __future__ import annotations

from typing import Any

import gevent
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out
from django.db import models
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import re_path

from sockio.integrations.django import fresh_context, of, open_session


class Room(models.Model):
    name: models.CharField[str, str] = models.CharField(max_length=40)


class Word(models.Model):
    text: models.CharField[str, str] = models.CharField(max_length=40)
