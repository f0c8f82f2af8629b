"""What a reader of the README has: the names that its three lines for each framework go with."""

from __future__ import annotations

from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.urls import path, re_path
from flask import Flask, abort, request, session
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden
from pyramid.request import Request
from pyramid.response import Response

from sockio import BaseNamespace, SocketIOMiddleware, socketio_manage

app = pages = Flask(__name__)
config = Configurator()


def is_logged_in(request: object) -> bool:
    return True


def login(request: HttpRequest) -> HttpResponse:
    return HttpResponse()
