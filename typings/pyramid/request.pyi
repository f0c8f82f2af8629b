from collections.abc import Callable
from typing import Any, Generic, TypeVar

from webob.request import BaseRequest

from .registry import Registry
from .response import Response

_T = TypeVar("_T")

class Route:
    name: str
    pattern: str

class Request(BaseRequest):
    registry: Registry
    response: Response
    session: Any
    matchdict: dict[str, Any]
    matched_route: Route
    context: Any
    identity: Any
    authenticated_userid: Any
    def route_path(self, route_name: str, *elements: str, **kw: Any) -> str: ...
    def static_path(self, path: str, **kw: Any) -> str: ...
    # What `config.add_request_method` made.
    def __getattr__(self, name: str) -> Any: ...
    def add_finished_callback(self, callback: Callable[[Request], object]) -> None: ...

class RequestLocalCache(Generic[_T]):
    def __init__(self, creator: Callable[[Request], _T] | None = None) -> None: ...
    def get_or_create(self, request: Request) -> _T: ...
