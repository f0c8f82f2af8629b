"""What frameworks have read of a request and keep beside it: what it weighs, and letting it go.

A cookie, a field of a query or an entry of a list takes up to fifty times its bytes when it has
been read: a client chooses how many there are, and a request is kept as long as its session. So is
a body, which a handshake has no use for.

No framework is imported here: one that a request is of has been.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Collection
from typing import Any

__all__ = [
    "PART",
    "READ_KEYS",
    "forget_body",
    "forget_what_was_read",
    "is_light_when_read",
    "weight_when_read",
]

#: Bytes that a cookie or a field of a query takes at most beside its text, in the framework that
#: makes the most of it (lists in dicts); and a header, by which another index may know it.
PART = 250

#: Where frameworks keep in the environ what they have read; they read it again.
READ_KEYS = frozenset(
    (
        "bottle.get",
        "bottle.request.cookies",
        "bottle.request.headers",
        "bottle.request.params",
        "bottle.request.query",
        "bottle.request.urlparts",
        "paste.cookies",
        "paste.parsed_dict_querystring",
        "paste.parsed_querystring",
        "webob._parsed_cookies",
        "webob._parsed_query_vars",
        "werkzeug.request",
    )
)

#: Between cookies some see an end where there is a space or a comma.
_ENDS_OF_COOKIES = b";, \t"
#: What becomes a character beyond U+FFFF, and one beyond U+00FF, which all of a text pays for.
_WIDE = ("%f", "%F", "\\36")
_BROAD = ("%c", "%d", "%e", "%C", "%D", "%E", "\\3")


def is_light_when_read(texts: Collection[str | bytes], most: int) -> bool:
    """Whether it takes no more than ``most`` bytes to read all of an environ's texts: a look that
    costs little, and says no to some that would be light enough."""
    try:
        whole = "\n".join(texts)  # type: ignore[arg-type]
    except TypeError:
        # Seldom are there bytes in it.
        whole = "\n".join([each for each in texts if isinstance(each, str)])
    parts = len(texts) + sum(map(whole.count, ",;& \t"))
    return PART * parts + 4 * len(whole) <= most


def weight_when_read(name: str, text: str) -> int:
    """Bytes of memory that it takes to read a text of an environ, at most, beside the text."""
    if name == "HTTP_COOKIE":
        ends = text.replace("; ", ";").encode("latin-1", "replace")
        parts = len(ends) - len(ends.translate(None, _ENDS_OF_COOKIES))
    elif name == "QUERY_STRING":
        parts = text.count("&") + text.count(";")
    elif name.startswith("HTTP_"):
        parts = text.count(",") + text.count(";")
        if not parts:
            # One value, which is the text that is there.
            return PART
    else:
        return 0
    return PART * (parts + 1) + len(text) * _width(text)


def _width(text: str) -> int:
    """Bytes of each character, for one needs as many."""
    if any(each in text for each in _WIDE):
        return 4
    if not text.isascii():
        # As the bytes came.
        return 4 if max(text) >= "\xf0" else 2
    return 2 if any(each in text for each in _BROAD) else 1


def forget_what_was_read(request: Any, dropped: list[str]) -> None:
    """Let a framework's request forget what it has read of its environ: it reads it again when it
    is asked. ``dropped`` are the names that the environ has lost, which it has to lose, too.

    What the application has put in the place of it stays, unless something was dropped.
    """
    own = getattr(request, "__dict__", None)
    theirs = [
        cls for cls in type(request).__mro__ if cls.__module__.partition(".")[0] in _FRAMEWORKS
    ]
    if type(own) is not dict or not theirs:
        # The application's own, and all that is in it.
        return
    names = {name for cls in theirs for name in _read_again(cls) & own.keys()}
    for name in _OF_BODIES & own.keys():
        own[name] = _empty(own[name])
    for name in ("_cached_json", "json_body"):
        own.pop(name, None)
    for name in names:
        was = own.pop(name)
        if not dropped and _may_be_changed(was) and _differs(request, name, was):
            own[name] = was
        else:
            own.pop(name, None)
    if dropped:
        _lose(request, own, dropped)
    if (inner := own.get("_request")) is not None:
        # That of Django in the one of Django REST framework.
        forget_what_was_read(inner, dropped)


#: Those whose requests have in themselves what they have read.
_FRAMEWORKS = frozenset(("cherrypy", "django", "flask", "pyramid", "rest_framework", "werkzeug"))
#: What comes of a body, which is read once.
_OF_BODIES = frozenset(
    (
        "_body",
        "_cached_data",
        "_data",
        "_files",
        "_full_data",
        "_post",
        "_stream",
        "data",
        "files",
        "form",
        "stream",
    )
)
#: Where frameworks keep in the environ what they have read of it.
_BODY_KEYS = frozenset(
    (
        "bottle.request.body",
        "bottle.request.files",
        "bottle.request.forms",
        "bottle.request.json",
        "bottle.request.post",
        "paste.parsed_formvars",
        "webob._parsed_post_vars",
    )
)
#: By this WebOb knows that it has.
_TAKEN_IN = "webob.is_body_seekable"


@functools.lru_cache(100)
def _read_again(cls: type) -> frozenset[str]:
    """What instances keep that a class of a framework has made, and makes again."""
    found = {name for name, value in vars(cls).items() if type(value).__name__ == "cached_property"}
    return frozenset(found) - _OF_BODIES


def _may_be_changed(value: Any) -> bool:
    """Whether an application may have written into it."""
    return type(value) is dict or getattr(value, "_mutable", False) is True


def forget_body(environ: dict[str, Any]) -> None:
    """Let an environ forget the body that a framework has taken in: there is none any more."""
    kept = _BODY_KEYS.intersection(environ)
    if not kept and _TAKEN_IN not in environ:
        return
    for name in kept:
        del environ[name]
    # They have read the server's to its end, maybe into a file.
    theirs = environ.get("wsgi.input")
    environ["wsgi.input"] = io.BytesIO()
    if isinstance(theirs, io.BufferedRandom):
        theirs.close()


def _empty(was: Any) -> Any:
    """What stands for nothing, in the place of what came of a body."""
    if isinstance(was, (bytes, dict)) and was:
        return type(was)()
    return io.BytesIO() if hasattr(was, "read") else was


def _differs(request: Any, name: str, was: Any) -> bool:
    """Whether ``was`` is not what the request reads."""
    try:
        return bool(getattr(request, name) != was)
    except Exception:
        return True


def _lose(request: Any, own: dict[str, Any], dropped: list[str]) -> None:
    """Take out of a request what is there besides, of what was dropped."""
    if "QUERY_STRING" in dropped and "query_string" in own:
        # Werkzeug's and CherryPy's.
        own["query_string"] = type(own["query_string"])()
    if "HTTP_COOKIE" in dropped:
        session: Any = own.get("session")
        key = getattr(session, "_session_key", None)
        if isinstance(key, str) and len(key) > _LONGEST_KEY:
            # Django takes for one whatever is in the cookie, until somebody asks for the session.
            session._session_key = None
    if type(request).__module__.partition(".")[0] == "cherrypy":
        # Read before anybody asks, and not again.
        for name in ("cookie", "params", "headers", "header_list"):
            if name in own:
                own[name] = type(own[name])()


#: Browsers keep no longer cookie.
_LONGEST_KEY = 4096
