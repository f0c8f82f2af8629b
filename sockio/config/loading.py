"""An application by the name that a command is given: ``module:app``, ``module:create_app()``."""

from __future__ import annotations

import ast
import inspect
import os
import re
from typing import Any

from ..exceptions import UsageError
from .plain import check_wsgi

__all__ = [
    "NoSuchApplication",
    "check_application",
    "find_application",
    "find_named",
    "hidden_by",
    "split_name",
]

_WRITE = "write MODULE:APP or MODULE:FACTORY(), for example {0}:app or {0}:create_app()"


class NoSuchApplication(ValueError):
    """A name that leads to no application. The message says what to write instead."""


def split_name(name: str) -> tuple[str, str]:
    """The module and the expression of ``MODULE:APP``.

    Raises :class:`NoSuchApplication` for what could be none, such as the path of a file.
    """
    module, colon, expression = name.partition(":")
    parts = module.split(".")
    if colon and all(part.isidentifier() for part in parts) and parts[-1] != "py":
        return module, expression
    dotted = ".".join(re.findall(r"\w+", module.removesuffix(".py")))
    if not colon:
        raise NoSuchApplication(
            f"{name!r}: write MODULE:APP, for example {dotted or 'chat'}:{expression or 'app'}"
        )
    raise NoSuchApplication(
        f"{name!r}: {module!r} is no module. Write its name as in an import, without a path and "
        f"without .py: {dotted or 'chat'}:{expression or 'app'}"
    )


def hidden_by(folder: str) -> str:
    """The file in ``folder`` that Python would take for this package, if there is one."""
    path = os.path.join(folder, "sockio.py")
    return path if os.path.isfile(path) else ""


def find_named(module: Any, expression: str) -> Any:
    """What ``expression`` names in ``module``: an attribute, one of an attribute, or what a call of
    either with literals gives, such as ``create_app("test", debug=True)``.

    Raises :class:`NoSuchApplication`. What a factory raises goes through.
    """
    name = _name_of(module)
    try:
        node = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError):
        raise NoSuchApplication(f"{expression!r} is no name: {_WRITE.format(name)}") from None
    if not isinstance(node, ast.Call):
        return _attribute(module, node, expression)
    try:
        args = [ast.literal_eval(each) for each in node.args]
        options = {str(each.arg): ast.literal_eval(each.value) for each in node.keywords}
    except (ValueError, TypeError):
        raise NoSuchApplication(
            f"{expression!r}: a factory is called with literals only, such as 'test' or 1"
        ) from None
    factory = _attribute(module, node.func, expression)
    if not callable(factory):
        raise NoSuchApplication(f"{name}:{expression}: it cannot be called")
    try:
        signature = inspect.signature(factory)
    except (ValueError, TypeError):  # something in C, which says nothing
        return factory(*args, **options)
    try:
        signature.bind(*args, **options)
    except TypeError as error:
        called = ast.unparse(node.func)
        raise NoSuchApplication(
            f"{name}:{expression}: {error}; it is {called}{signature}. Write its arguments, such "
            f"as {name}:{called}('test')"
        ) from None
    return factory(*args, **options)


def find_application(module: Any, expression: str) -> Any:
    """The WSGI application that ``expression`` names in ``module``, as :func:`find_named` finds it.

    Raises :class:`NoSuchApplication` also for what no server could call.
    """
    app = find_named(module, expression)
    check_application(app, f"{_name_of(module)}:{expression}")
    return app


def check_application(app: Any, name: str) -> None:
    """Raise :class:`NoSuchApplication` for what no server could call; ``name`` led to it."""
    if app is None:
        raise NoSuchApplication(f"{name} is None, and no application")
    if not callable(app):
        raise NoSuchApplication(f"{name} is not a WSGI application: it cannot be called")
    if isinstance(app, type) and not hasattr(app, "__iter__"):
        raise NoSuchApplication(
            f"{name} is the class {app.__name__}, and what a call of it gives is no answer to a "
            "request. Name the application that it is given to; or, where its objects are "
            f"applications, make one: {name}()"
        )
    try:
        check_wsgi(app)
    except UsageError as error:
        raise NoSuchApplication(f"{name}: {error}") from None
    if not name.endswith(")") and _takes_nothing(app):
        raise NoSuchApplication(
            f"{name} takes no environ and start_response, so it is no WSGI application; if it "
            f"makes one, write {name}()"
        )


def _name_of(module: Any) -> str:
    return str(getattr(module, "__name__", module))


def _attribute(module: Any, node: ast.expr, expression: str) -> Any:
    name = _name_of(module)
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise NoSuchApplication(f"{expression!r} is no name: {_WRITE.format(name)}")
    path.append(node.id)
    found = module
    for part in reversed(path):
        try:
            found = getattr(found, part)
        except AttributeError:
            missing = ".".join(reversed(path))
            file = getattr(module, "__file__", None)
            where = f" It is {file}" if file else ""
            raise NoSuchApplication(f"module {name!r} has no {missing!r}.{where}") from None
    return found


def _takes_nothing(app: Any) -> bool:
    """Whether no WSGI server could call it."""
    try:
        inspect.signature(app).bind({}, None)
    except TypeError:
        return True
    except ValueError:  # something in C, which says nothing
        return False
    return False
