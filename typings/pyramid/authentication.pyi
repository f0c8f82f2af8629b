from typing import Any

from .request import Request

class AuthTktCookieHelper:
    def __init__(
        self,
        secret: str,
        cookie_name: str = "auth_tkt",
        secure: bool = False,
        include_ip: bool = False,
        timeout: int | None = None,
        reissue_time: int | None = None,
        max_age: int | None = None,
        http_only: bool = False,
        path: str = "/",
        wild_domain: bool = True,
        hashalg: str = "sha512",
        parent_domain: bool = False,
        domain: str | None = None,
        samesite: str = "Lax",
    ) -> None: ...
    def identify(self, request: Request) -> dict[str, Any] | None: ...
    def remember(
        self,
        request: Request,
        userid: str,
        max_age: int | None = None,
        tokens: tuple[str, ...] = (),
    ) -> list[tuple[str, str]]: ...
    def forget(self, request: Request) -> list[tuple[str, str]]: ...
