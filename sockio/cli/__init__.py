"""The command ``sockio``: ``serve`` an application, ask the ``doctor``, show the ``demo``."""

from __future__ import annotations

import argparse
import logging
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any

from gevent import monkey

from .problem import Problem

__all__ = ["main"]

#: Seconds after which a blocked loop is told while somebody develops.
BLOCKED = 0.5
#: Seconds that clients get at the end: of the only process, and of one of several, for which nobody
#: waits.
GRACEFUL, GRACEFUL_OF_SEVERAL = 1.0, 5.0
#: More processes than that are a mistake.
MOST_WORKERS = 512


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    # The lines of several processes are told apart by the worker's number, and by the pid while
    # there are two of one number.
    who = f"{arguments.child.partition(':')[0]}/%(process)d " if arguments.child else ""
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format=f"%(asctime)s {who}%(levelname)-7s %(name)s: %(message)s",
    )
    if arguments.graceful_timeout is None:
        arguments.graceful_timeout = GRACEFUL_OF_SEVERAL if arguments.workers else GRACEFUL
    try:
        if arguments.reload:
            from .reloading import serve_and_reload

            if arguments.workers:
                raise Problem(
                    "--reload restarts the one process that serves: leave out --workers. Several "
                    "processes are replaced on SIGHUP"
                )
            return serve_and_reload(argv)
        if arguments.workers and not arguments.child:
            from .several import serve_by_several

            return serve_by_several(arguments, argv)
        # Before anything is imported that could keep an unpatched name: so far that is nothing but
        # the standard library and what of sockio an unpatched process may have.
        monkey.patch_all()
        return int(arguments.run(arguments))
    except Problem as problem:
        print(f"sockio: {problem}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sockio", description="Socket.IO for WSGI applications.")
    version = pkgutil.resolve_name("sockio:__version__")
    python = ".".join(map(str, sys.version_info[:3]))
    parser.add_argument(
        "--version", action="version", version=f"sockio {version} (Python {python})"
    )
    # What not every command can be given.
    parser.set_defaults(
        reload=False, workers=None, child=None, graceful_timeout=None, certfile=None, keyfile=None
    )
    parser.set_defaults(secret=None)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="serve a WSGI application",
        usage="sockio serve [OPTION ...] MODULE:APP",  # there are fifty
    )
    serve.add_argument("app", metavar="MODULE:APP", help="chat:app, or 'chat:create_app()'")
    serve.set_defaults(run=_serve)

    doctor = commands.add_parser(
        "doctor", help="say what is wrong with an application or a running server, and the fix"
    )
    _add_doctors(doctor)
    doctor.set_defaults(run=_doctor)

    demo = commands.add_parser("demo", help="show a chat")
    # Logins are signed by it: with several workers each has to know those of the others.
    demo.set_defaults(run=_demo, secret="SECRET_KEY")

    for command in (serve, demo):
        command.add_argument("--host", default="127.0.0.1", help="address to listen on")
        command.add_argument("--port", type=_port, default=8080, help="port; 0 takes a free one")
        command.add_argument("--verbose", action="store_true", help="log every packet and more")
        command.add_argument(
            "--workers",
            type=_count,
            metavar="N",
            help="serve by so many processes, which are restarted when they die, and replaced one "
            "by one on SIGHUP (default: by this process)",
        )
        # What the supervisor of several gives to each.
        command.add_argument("--child", help=argparse.SUPPRESS)
    demo.add_argument(
        "--backplane",
        metavar="URL",
        help="the Redis server by which the chats of several hosts are one: redis://HOST; with the "
        "same SECRET_KEY in the environment of all",
    )
    _add_servers(serve)
    _add_settings(serve.add_argument_group("settings", "Those of SocketIOMiddleware."))
    return parser


def _add_servers(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--reload", action="store_true", help="restart when source files change")
    # What --reload gives to the process that it restarts.
    serve.add_argument("--reloaded", action="store_true", help=argparse.SUPPRESS)
    serve.add_argument(
        "--graceful-timeout",
        type=_seconds,
        metavar="SECONDS",
        help="time that clients and requests get at the end of a process at most (default: "
        f"{GRACEFUL:g}, or {GRACEFUL_OF_SEVERAL:g} with --workers)",
    )
    serve.add_argument(
        "--access-log",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write a line for each request, to a file or else to standard output",
    )
    serve.add_argument("--certfile", metavar="FILE", help="serve TLS by this certificate chain")
    serve.add_argument("--keyfile", metavar="FILE", help="its key, where that is in another file")
    serve.add_argument(
        "--blocked",
        type=_seconds,
        metavar="SECONDS",
        help="say when the event loop is blocked for so long, and where; 0 is never "
        f"(default: {BLOCKED} with --reload or --verbose, else 0)",
    )


def _add_settings(group: Any) -> None:
    from ..config.settings import OPTIONS

    for option in OPTIONS.values():
        group.add_argument(
            "--" + option.name.replace("_", "-"),
            metavar="VALUE",
            # argparse takes a percent sign for one of its own.
            help=option.doc.replace("%", "%%"),
        )


def _add_doctors(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument("app", metavar="MODULE:APP", nargs="?", help="for example chat:app")
    doctor.add_argument("--url", help="a running server, for example https://chat.example.com")
    doctor.add_argument(
        "--resource",
        default="socket.io",
        metavar="NAME",
        help="the application's setting of that name, for the url (socket.io)",
    )
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


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 3600")
    return seconds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_WORKERS):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {MOST_WORKERS}")
    return int(text)


def _serve(arguments: argparse.Namespace) -> int:
    from ..config.settings import OPTIONS
    from .serving import serve

    given = {name: getattr(arguments, name) for name in OPTIONS}
    settings = {name: value for name, value in given.items() if value is not None}
    blocked = arguments.blocked
    if blocked is None:
        blocked = BLOCKED if arguments.reloaded or arguments.verbose else 0.0
    return serve(arguments, settings, blocked)


def _demo(arguments: argparse.Namespace) -> int:
    from .serving import demo

    return demo(arguments)


def _doctor(arguments: argparse.Namespace) -> int:
    """Exit status 0: nothing is wrong, warnings aside; 1: something is."""
    import shutil

    from ..config.loading import NoSuchApplication, split_name
    from ..doctor import Finding, as_json, as_text, examine, examine_url, is_well
    from ..exceptions import UsageError

    if not (arguments.app or arguments.url):
        raise Problem("name an application (MODULE:APP), or a server (--url http://...)")
    headers = {}
    for header in arguments.header:
        name, colon, value = header.partition(":")
        if not colon:
            raise Problem(f"--header {header!r}: write 'Name: value'")
        headers[name.strip()] = value.strip()
    findings: list[Finding] = []
    if arguments.app:
        try:
            split_name(arguments.app)
        except NoSuchApplication as error:
            raise Problem(str(error)) from error
        findings, printed = examine(arguments.app)
        if arguments.verbose:
            print(printed, file=sys.stderr)
    if arguments.url:
        try:
            resource = arguments.resource.strip("/")
            findings += examine_url(arguments.url, headers, resource=resource, idle=arguments.idle)
        except UsageError as error:
            raise Problem(str(error)) from error
    if arguments.json:
        print(as_json(findings, app=arguments.app, url=arguments.url))
    else:
        print(as_text(findings, shutil.get_terminal_size((100, 24)).columns - 1))
    return 0 if is_well(findings) else 1
