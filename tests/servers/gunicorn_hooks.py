"""A configuration of gunicorn with hooks for each request, which say what they are told."""

from __future__ import annotations

from typing import Any


def pre_request(worker: Any, req: Any) -> None:
    print("pre:", req.method, req.path, req.query, dict(req.headers).get("X-MARK"))  # noqa: T201
    if req.path == "/refused":
        raise ValueError("the hook refuses")


def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:
    print("post:", req.path, resp.status, "sockio.connection" in environ)  # noqa: T201
    if req.path == "/page":
        raise ValueError("the hook fails")
