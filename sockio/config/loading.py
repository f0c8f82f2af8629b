"""An application by the name that a command is given: ``module:app``, ``module:create_app()``."""

from __future__ import annotations

import ast
import inspect
from typing import Any

__all__ = ["find_application", "find_named"]

_WRITE = "write MODULE:APP or MODULE:FACTORY(), for example {0}:app or {0}:create_app()"


def find_named(module: Any, expression: str) -> Any:
    """What ``expression`` names in ``module``: an attribute, one of an attribute, or what a call of
    either with literals gives, such as ``create_app("test", debug=True)``.

    Raises ``ValueError``, which says what to write instead. What a factory raises goes through.
    """
    name = _name_of(module)
    try:
        node = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError):
        raise ValueError(f"{expression!r} is no name: {_WRITE.format(name)}") from None
    if not isinstance(node, ast.Call):
        return _attribute(module, node, expression)
    try:
        args = [ast.literal_eval(each) for each in node.args]
        options = {str(each.arg): ast.literal_eval(each.value) for each in node.keywords}
    except (ValueError, TypeError):
        raise ValueError(
            f"{expression!r}: a factory is called with literals only, such as 'test' or 1"
        ) from None
    factory = _attribute(module, node.func, expression)
    if not callable(factory):
        raise ValueError(f"{name}:{expression}: it cannot be called")
    return factory(*args, **options)


def find_application(module: Any, expression: str) -> Any:
    """The WSGI application that ``expression`` names in ``module``, as :func:`find_named` finds it.

    Raises ``ValueError`` also for what no server could call.
    """
    app = find_named(module, expression)
    name = f"{_name_of(module)}:{expression}"
    if app is None:
        raise ValueError(f"{name} is None, and no application")
    if not callable(app):
        raise ValueError(f"{name} is not a WSGI application: it cannot be called")
    if not expression.endswith(")") and _takes_nothing(app):
        raise ValueError(
            f"{name} takes no environ and start_response, so it is no WSGI application; if it "
            f"makes one, write {name}()"
        )
    return app


def _name_of(module: Any) -> str:
    return str(getattr(module, "__name__", module))


def _attribute(module: Any, node: ast.expr, expression: str) -> Any:
    name = _name_of(module)
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ValueError(f"{expression!r} is no name: {_WRITE.format(name)}")
    path.append(node.id)
    found = module
    for part in reversed(path):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ValueError(f"module {name!r} has no {'.'.join(reversed(path))!r}") from None
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
