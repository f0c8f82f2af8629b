"""What the ini files of test_paste.py name; found because it is in the folder of the ini file."""

from __future__ import annotations

from typing import Any

from chat import Chat, pages  # type: ignore[import-not-found]
from gevent import monkey

from sockio import socketio_manage

NAMESPACES = {"/chat": Chat}
NOT_A_MAPPING = Chat


def page_factory(global_conf: dict[str, str]) -> Any:
    print("patched:", monkey.is_module_patched("socket"), flush=True)  # noqa: T201
    return pages


def view_factory(global_conf: dict[str, str]) -> Any:
    """An application that lets clients in by a view."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if "socketio" in environ:
            return socketio_manage(environ, NAMESPACES)
        return pages(environ, start_response)

    return app


def around_factory(app: Any, global_conf: dict[str, str]) -> Any:
    """Another filter, which sees all requests."""

    def around(environ: dict[str, Any], start_response: Any) -> Any:
        print("around:", environ["PATH_INFO"], flush=True)  # noqa: T201
        return app(environ, start_response)

    return around
