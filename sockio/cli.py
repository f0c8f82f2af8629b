"""The command ``sockio``: ``serve`` an application, ask the ``doctor``, show the ``demo``."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gevent import monkey

__all__ = ["main"]

#: Settings that make sense as command-line options: those whose value is a number or a word.
_NOT_OPTIONS = {"authorize", "context", "error_handler", "json_loads", "json_dumps", "max_outbox"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    try:
        if getattr(arguments, "reload", False):
            return _serve_and_reload(argv)
        # Before anything is imported that could keep an unpatched name: so far that is nothing but
        # the standard library and what of sockio an unpatched process may have.
        monkey.patch_all()
        return int(arguments.run(arguments))
    except _Problem as problem:
        print(f"sockio: {problem}", file=sys.stderr)
        return 2


class _Problem(Exception):
    """Something that the caller of the command can put right; the message says how."""


def _parser() -> argparse.ArgumentParser:
    from .config.settings import OPTIONS

    parser = argparse.ArgumentParser(prog="sockio", description="Socket.IO for WSGI applications.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve a WSGI application")
    serve.add_argument("app", metavar="MODULE:APP", help="for example chat:app")
    serve.add_argument("--reload", action="store_true", help="restart when source files change")
    # What --reload gives to the process that it restarts.
    serve.add_argument("--reloaded", action="store_true", help=argparse.SUPPRESS)
    for option in OPTIONS.values():
        if option.name not in _NOT_OPTIONS:
            flag = "--" + option.name.replace("_", "-")
            serve.add_argument(flag, default=None, metavar="VALUE", help=option.doc)
    serve.set_defaults(run=_serve)

    doctor = commands.add_parser(
        "doctor", help="say what is wrong with an application or a running server, and the fix"
    )
    doctor.add_argument("app", metavar="MODULE:APP", nargs="?", help="for example chat:app")
    doctor.add_argument("--url", help="a running server, for example https://chat.example.com")
    doctor.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="send it with every request to the url: 'Cookie: session=...'",
    )
    doctor.add_argument(
        "--idle",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="keep connections to the url so long, to see whether something cuts them",
    )
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.add_argument("--verbose", action="store_true", help="show what the application prints")
    doctor.set_defaults(run=_doctor)

    demo = commands.add_parser("demo", help="show a chat")
    demo.set_defaults(run=_demo)

    for command, port in ((serve, 8080), (demo, 8080)):
        command.add_argument("--host", default="127.0.0.1", help="address to listen on")
        command.add_argument("--port", type=int, default=port, help="port; 0 takes a free one")
        command.add_argument("--verbose", action="store_true", help="log every packet and more")
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    if arguments.reloaded:
        from .sessions.complaints import never_mute

        # Somebody is developing, and wants to see every failure.
        never_mute()
    sys.path.insert(0, os.getcwd())
    app = _load(arguments.app)
    from .config.settings import OPTIONS

    options = {
        name: getattr(arguments, name)
        for name in OPTIONS
        if name not in _NOT_OPTIONS and getattr(arguments, name) is not None
    }
    return _run(app, arguments, options)


def _doctor(arguments: argparse.Namespace) -> int:
    """Exit status 0: nothing is wrong, warnings aside; 1: something is."""
    import shutil

    from .doctor import Finding, as_json, as_text, examine, examine_url, is_well
    from .exceptions import UsageError

    if not (arguments.app or arguments.url):
        raise _Problem("name an application (MODULE:APP), or a server (--url http://...)")
    headers = {}
    for header in arguments.header:
        name, colon, value = header.partition(":")
        if not colon:
            raise _Problem(f"--header {header!r}: write 'Name: value'")
        headers[name.strip()] = value.strip()
    findings: list[Finding] = []
    if arguments.app:
        if ":" not in arguments.app:
            raise _Problem(f"{arguments.app!r}: write MODULE:APP, for example {arguments.app}:app")
        findings, printed = examine(arguments.app)
        if arguments.verbose:
            print(printed, file=sys.stderr)
    if arguments.url:
        try:
            findings += examine_url(arguments.url, headers, idle=arguments.idle)
        except UsageError as error:
            raise _Problem(str(error)) from error
    if arguments.json:
        print(as_json(findings, app=arguments.app, url=arguments.url))
    else:
        print(as_text(findings, shutil.get_terminal_size((100, 24)).columns - 1))
    return 0 if is_well(findings) else 1


def _demo(arguments: argparse.Namespace) -> int:
    folder = demo_folder()
    if folder is None:
        raise _Problem("the demo is not installed; run it from a checkout: nox -s demo")
    sys.path.insert(0, str(folder))
    try:
        app = _load("chat:app")
    except ModuleNotFoundError as error:
        if error.name != "flask":
            raise
        raise _Problem("the demo needs Flask: pip install Flask") from error
    return _run(app, arguments, {})


def demo_folder() -> Path | None:
    """Where the chat is: packed with an installed sockio, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "_demo" / "flask_chat", here.parent / "examples" / "flask_chat"):
        if (folder / "chat.py").is_file():
            return folder
    return None


def _run(app: Any, arguments: argparse.Namespace, options: dict[str, Any]) -> int:
    from .exceptions import UsageError
    from .server.server import serve

    try:
        serve(app, arguments.host, arguments.port, **options)
    except (UsageError, TypeError) as error:
        raise _Problem(str(error)) from error
    except OSError as error:
        raise _Problem(
            f"cannot listen on {arguments.host}:{arguments.port}: {error.strerror or error}. "
            "Choose another with --port."
        ) from error
    return 0


def _load(name: str) -> Any:
    """The object that ``module:attribute`` names."""
    import importlib

    module_name, colon, attribute = name.partition(":")
    if not colon:
        raise _Problem(f"{name!r}: write MODULE:APP, for example {name}:app")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name.partition(".")[0]:
            raise
        raise _Problem(
            f"there is no module {module_name!r} in {os.getcwd()}; change to the folder it is in"
        ) from error
    try:
        app: Any = module
        for part in attribute.split("."):
            app = getattr(app, part)
    except AttributeError as error:
        raise _Problem(f"module {module_name!r} has no {attribute!r}") from error
    if not callable(app):
        raise _Problem(f"{name} is not a WSGI application: it cannot be called")
    return app


def _serve_and_reload(argv: Sequence[str]) -> int:
    """Run the same command without ``--reload`` as a child, again whenever a Python file changes.

    In a process of its own, so that the watching threads and gevent never meet.
    """
    try:
        from watchfiles import PythonFilter, run_process
    except ModuleNotFoundError as error:
        raise _Problem("--reload needs watchfiles: pip install watchfiles") from error
    rest = ["--reloaded" if word == "--reload" else word for word in argv]
    command = shlex.join([sys.executable, "-m", "sockio.cli", *rest])
    run_process(os.getcwd(), target=command, target_type="command", watch_filter=PythonFilter())
    return 0


if __name__ == "__main__":
    sys.exit(main())
