from .request import Request

class CookieCSRFStoragePolicy:
    def __init__(
        self,
        cookie_name: str = "csrf_token",
        secure: bool = False,
        httponly: bool = False,
        domain: str | None = None,
        max_age: int | None = None,
        path: str = "/",
        samesite: str = "Lax",
    ) -> None: ...

def new_csrf_token(request: Request) -> str: ...
