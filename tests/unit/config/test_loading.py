"""How an application is found by the name that a command is given."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from sockio.config.loading import find_application, split_name


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return []


class Site:
    inner = staticmethod(application)

    def __call__(self, environ: dict[str, Any], start_response: Any, *more: Any) -> list[bytes]:
        return []


def create_app(*args: Any, **options: Any) -> Any:
    made = Site()
    made.given = (args, options)  # type: ignore[attr-defined]
    return made


module = types.ModuleType("site_of_mine")
vars(module).update(
    app=application,
    site=Site(),
    create_app=create_app,
    make=types.SimpleNamespace(app=lambda: application),
    forgets=lambda: None,
    number=1,
    in_c=dict,
)


@pytest.mark.parametrize("expression", ["app", "site", "site.inner", "make.app()", " app "])
def test_what_is_found(expression: str) -> None:
    assert callable(find_application(module, expression.strip()))


def test_a_factory_is_given_literals() -> None:
    app = find_application(module, 'create_app("test", 1, debug=True, only=["a"])')
    assert app.given == (("test", 1), {"debug": True, "only": ["a"]})


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("nothing", "module 'site_of_mine' has no 'nothing'"),
        ("site.nothing.app", "has no 'site.nothing.app'"),
        ("number", "it cannot be called"),
        ("number()", "it cannot be called"),
        ("forgets()", "is None"),
        ("forgets", "write site_of_mine:forgets()"),
        ("create_app(", "MODULE:FACTORY()"),
        ("", "MODULE:FACTORY()"),
        ("1", "MODULE:FACTORY()"),
        ("app; app", "MODULE:FACTORY()"),
        ("app()()", "MODULE:FACTORY()"),
        ("create_app(app)", "literals only"),
        ("create_app(**site)", "literals only"),
        ("\0", "MODULE:FACTORY()"),
    ],
)
def test_what_is_wrong_is_said(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        find_application(module, expression)


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


class Framework:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class NoApplication:
    """A namespace, perhaps."""

    def __init__(self, environ: Any, name: str) -> None: ...


def needs(name: str) -> Any:
    return application


vars(module).update(asgi=asgi, framework=Framework(), NoApplication=NoApplication, needs=needs)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("asgi", "site_of_mine:asgi: asgi is a coroutine function"),
        ("framework", "as applications of ASGI are"),
        ("NoApplication", "is the class NoApplication"),
        ("needs()", "missing a required argument: 'name'; it is needs(name"),
        ("needs(1, 2)", "too many positional arguments"),
    ],
)
def test_what_could_not_be_served_is_said(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        find_application(module, expression)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("chat", "chat:app"),
        ("chat.py", "chat:app"),
        ("chat/app", "chat.app:app"),
        ("chat.py:app", "chat:app"),
        ("./chat:app", "chat:app"),
        ("sub/chat.py:create()", "sub.chat:create()"),
        ("..chat:app", "chat:app"),
        (":app", "chat:app"),
        ("", "chat:app"),
        ("my-site:app", "my.site:app"),
    ],
)
def test_what_is_no_name_is_said_with_one(name: str, instead: str) -> None:
    with pytest.raises(ValueError, match=re.escape(instead) + r"\Z"):
        split_name(name)


@pytest.mark.parametrize("name", ["chat:app", "a.b:c.d()", "чат:app"])
def test_names(name: str) -> None:
    module, expression = split_name(name)
    assert f"{module}:{expression}" == name


def test_what_a_factory_raises_goes_through() -> None:
    def fails() -> None:
        raise LookupError("no database")

    vars(module)["fails"] = fails
    with pytest.raises(LookupError, match="no database"):
        find_application(module, "fails()")
