from collections.abc import Callable
from typing import Any

from .request import Request

def SignedCookieSessionFactory(
    secret: str, cookie_name: str = "session", **options: Any
) -> Callable[[Request], Any]: ...
