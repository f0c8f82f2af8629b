from os import PathLike

from webob.request import BaseRequest
from webob.response import Response as _Response

class Response(_Response): ...

class FileResponse(Response):
    def __init__(
        self,
        path: str | PathLike[str],
        request: BaseRequest | None = None,
        cache_max_age: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
    ) -> None: ...
