from collections.abc import Callable
from typing import Any, TypeVar

from .request import Request
from .response import Response

_F = TypeVar("_F", bound=Callable[..., Any])

class NewRequest:
    request: Request

class NewResponse:
    request: Request
    response: Response

class subscriber:
    def __init__(self, *events: type, **predicates: Any) -> None: ...
    def __call__(self, wrapped: _F) -> _F: ...
