"""What a framework's request keeps as long as its session: nothing that it has read, and when a
handler has it read again, no more than there is a number for."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from typing import Any

import pytest

from sockio.http.lasting import EACH, KEPT, READ, shed

from ..support.processes import need_module
from ..unit.memory.measuring import FACTOR, measuring

Environ = dict[str, Any]


def environ_of(**texts: str) -> Environ:
    body = b"field=value"
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/socket.io/",
        "SERVER_NAME": "chat.example.com",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "QUERY_STRING": "EIO=4&transport=polling",
        "HTTP_COOKIE": "session=ada; theme=dark",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
    }
    return {**environ, **texts}


def of_django(environ: Environ) -> Any:
    need_module("django", requirement="Django")
    settings = importlib.import_module("django.conf").settings
    if not settings.configured:  # the process may have a site by then
        settings.configure(SECRET_KEY="for tests", ALLOWED_HOSTS=["*"])
    return importlib.import_module("django.core.handlers.wsgi").WSGIRequest(environ)


def of_flask(environ: Environ) -> Any:
    need_module("flask", requirement="Flask")
    return importlib.import_module("flask").Request(environ)


def of_pyramid(environ: Environ) -> Any:
    need_module("pyramid", requirement="pyramid")
    return importlib.import_module("pyramid.request").Request(environ)


def of_bottle(environ: Environ) -> Any:
    need_module("bottle", requirement="bottle")
    return importlib.import_module("bottle").BaseRequest(environ)


Make = Callable[[Environ], Any]

#: How a request is made, and what it reads of its head and of a body.
FRAMEWORKS: dict[str, tuple[Make, tuple[str, ...], str]] = {
    "django": (of_django, ("COOKIES", "GET", "headers", "accepted_types"), "body"),
    "flask": (
        of_flask,
        ("cookies", "args", "values", "accept_languages", "access_route", "full_path", "url"),
        "data",
    ),
    "pyramid": (of_pyramid, ("cookies", "GET", "params"), "body"),
    "bottle": (of_bottle, ("cookies", "query", "params"), "body"),
}


def read(framework: str, request: Any) -> None:
    for name in FRAMEWORKS[framework][1]:
        found = iter(getattr(request, name))
        # WebOb reads when something is asked of it.
        assert next(found, None) != b""


def cookies_of(framework: str, request: Any) -> dict[str, str]:
    return dict(request.COOKIES if framework == "django" else request.cookies)


def name_of(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return letters[number % 26] + letters[number // 26 % 26] + letters[number // 676 % 26]


def cookies(number: int, value: str = "", between: str = ";") -> str:
    return between.join(f"{name_of(each)}={value}" for each in range(number))


HEADS = {
    "usual": {},
    "as many cookies as a browser has": {"HTTP_COOKIE": cookies(180, "x" * 40, "; ")},
    "thousands of cookies": {"HTTP_COOKIE": cookies(6000)},
    "as many as may be": {"HTTP_COOKIE": cookies(385)},
    "one more than that": {"HTTP_COOKIE": cookies(390)},
    "cookies with spaces between": {"HTTP_COOKIE": cookies(4000, between=" ")},
    "an emoji in a cookie": {"HTTP_COOKIE": f'a="{"x" * 23_000}\\360\\237\\230\\200"'},
    "an escape in a cookie": {"HTTP_COOKIE": "a=" + "x" * 23_000 + "\xf0\x9f\x98\x80"},
    "fields": {"QUERY_STRING": "&".join(map(name_of, range(2000)))},
    "as many fields as may be": {"QUERY_STRING": "&".join(map(name_of, range(370)))},
    "languages": {"HTTP_ACCEPT_LANGUAGE": "en," * 10_000},
    "proxies": {"HTTP_X_FORWARDED_FOR": "b," * 10_000},
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("head", HEADS)
def test_what_is_read_later_is_bounded(framework: str, head: str) -> None:
    make = FRAMEWORKS[framework][0]
    if framework == "django" and head == "fields":
        pytest.skip("Django refuses so many")
    # What is made once is.
    environ = environ_of(**HEADS[head])
    request = make(environ)
    read(framework, request)
    shed(environ, request)
    read(framework, request)
    environ = environ_of(**HEADS[head])
    with measuring() as grown:
        request = make(environ)
        read(framework, request)
        shed(environ, request)
        at_once = grown.bytes
        read(framework, request)
        later = grown.bytes
    # The texts themselves were there before, and those that were dropped may be here still.
    assert at_once < 12_000
    # Texts are larger before Python 3.12.
    assert later < READ * (FACTOR + 0.1)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_browsers_cookies_are_kept_whole(framework: str) -> None:
    line = cookies(180, "x" * 40, "; ")
    usual = {
        "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
        "HTTP_ACCEPT_LANGUAGE": "de-AT,de;q=0.9,en;q=0.8,fr;q=0.7,it;q=0.6",
        "HTTP_SEC_CH_UA": '"Chromium";v="128", "Not;A=Brand";v="24", "Brand";v="128"',
        "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
        "HTTP_X_FORWARDED_FOR": "192.0.2.1, 198.51.100.7",
    }
    environ = environ_of(HTTP_COOKIE=line, **usual)
    request = FRAMEWORKS[framework][0](environ)
    before = cookies_of(framework, request)
    assert len(before) == 180
    assert shed(environ, request) == []
    assert cookies_of(framework, request) == before
    assert usual.items() <= request.environ.items()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_was_dropped_is_not_found_in_the_request(framework: str) -> None:
    make, names, _ = FRAMEWORKS[framework]
    query = "&".join(map(name_of, range(900)))
    environ = environ_of(HTTP_COOKIE=cookies(12_000), QUERY_STRING=query)
    request = make(environ)
    read(framework, request)
    assert shed(environ, request) == ["QUERY_STRING", "HTTP_COOKIE"]
    for name in names[:2]:
        assert len(getattr(request, name)) == 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_body_is_not_kept(framework: str) -> None:
    make, _, body = FRAMEWORKS[framework]
    text = b"field=" + b"x" * 90_000
    environ = environ_of()
    environ |= {"wsgi.input": io.BytesIO(text), "CONTENT_LENGTH": str(len(text))}
    request = make(environ)
    for name in ("form", "forms", "POST", body):
        getattr(request, name, None)
    with measuring() as grown:
        shed(environ, request)
        # What the server has is its own.
        environ["wsgi.input"] = io.BytesIO()
        assert grown.bytes < 30_000
    left = getattr(request, body)
    assert (left.read() if hasattr(left, "read") else left) == b""
    for name in ("form", "forms", "files"):
        assert not getattr(request, name, None)


def test_what_an_application_has_changed_stays() -> None:
    environ = environ_of()
    request = of_django(environ)
    request.COOKIES["theme"] = "light"
    request.GET = request.GET.copy()
    request.GET["page"] = "7"
    assert shed(environ, request) == []
    assert request.COOKIES == {"session": "ada", "theme": "light"}
    assert request.GET["page"] == "7"


def test_a_key_of_any_length_is_not_kept_as_djangos_session() -> None:
    environ = environ_of(HTTP_COOKIE="sessionid=" + "k" * 60_000)
    request = of_django(environ)
    store = importlib.import_module("django.contrib.sessions.backends.cache").SessionStore
    request.session = store(request.COOKIES["sessionid"])
    assert shed(environ, request) == ["HTTP_COOKIE"]
    assert request.session.session_key is None


def test_a_request_of_nobodys_is_left_alone() -> None:
    class Theirs:
        def __init__(self, environ: Environ) -> None:
            self.environ = environ
            self.data = {"who": "ada"}
            self.form = self.stream = b"mine"

    environ = environ_of()
    request = Theirs(environ)
    shed(environ, request)
    assert request.data == {"who": "ada"}
    assert request.form == request.stream == b"mine"


def test_what_frameworks_keep_in_an_environ_of_headers_is_counted() -> None:
    environ = environ_of(**{f"HTTP_X_{number}": "" for number in range(180)})
    assert EACH * len(environ) < KEPT
    assert shed(environ, of_django(environ)) == []
