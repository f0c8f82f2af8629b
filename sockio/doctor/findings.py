"""What the doctor finds, and how it is said."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["CODES", "LET_THEM_MEET", "Finding", "Level", "as_json", "as_text", "is_well"]

Level = Literal["ok", "note", "warning", "problem"]

#: What to do where several processes serve and do not know each other.
LET_THEM_MEET = (
    "let the processes find each other, by a directory of their user: "
    "SOCKIO_MESH=/run/user/1000/chat in the environment, or the setting mesh; sockio serve "
    "--workers, and gunicorn with -k "
    "sockio.integrations.gunicorn_worker.GeventSocketIOWorker, need neither"
)

#: Every code, and what it is about. ``docs/howto/doctor.md`` explains each.
CODES: Mapping[str, str] = {
    # the process
    "python": "the version of Python",
    "versions": "the versions of what sockio needs",
    "version-too-old": "a package is older than sockio needs",
    "other-sockio": "another project's package of the same name is installed",
    "eventlet-loaded": "eventlet is in the process, which patches what gevent patches",
    "other-socketio": "another Socket.IO server is in the process, under the same URL",
    "descriptors": "how many connections the process may have",
    "workers": "how many processes serve",
    "worker-class": "what kind of worker gunicorn is told to run",
    "worker-without-websocket": "that kind cannot open websockets",
    "gunicorn-config": "gunicorn's configuration could not be read",
    # the application
    "import-failed": "the application cannot be imported",
    "not-an-application": "what was named is no WSGI application",
    "patched": "gevent patches the standard library, early enough",
    "patched-late": "... after others had taken what is patched",
    "not-patched": "... not in the application's module",
    "wrapped": "the application is wrapped in the middleware",
    "not-wrapped": "... or it is not",
    "wrapped-twice": "... or it is twice",
    "wrapped-elsewhere": "... or another name than the one that was given is",
    "origins": "which pages may connect",
    "origins-any": "any page may",
    "everybody": "nothing asks who connects",
    "transports": "which transports are offered",
    "generations": "clients of which versions are served",
    "client": "which client is served to pages",
    "client-not-served": "... whose generation is not",
    "no-websocket": "websocket is not among them",
    "no-polling": "nothing that works through every proxy is among them",
    "flash-without-policy": "flashsocket needs a policy server",
    "heartbeat-too-rare": "proxies cut websockets that are silent for so long",
    "poll-too-long": "proxies cut requests that wait for so long",
    "setting-without-effect": "a setting of the backplane that does nothing beside others",
    "away-too-short": "a moment without network ends sessions",
    "namespaces": "the namespaces that were looked at",
    "no-namespaces": "there are none",
    "hook-misspelt": "a method looks like a hook and is none",
    "event-named-as-hook": "a method handles an event where a hook was meant, perhaps",
    "async-handler": "a handler is a coroutine or a generator and never runs",
    "not-a-method": "something is named like a handler and is no method",
    "keyword-only-argument": "a handler needs an argument that no event can give it",
    "two-handlers": "two methods handle one event, and one of them never runs",
    "acl-unknown-name": "the ACL names a method that does not exist",
    "acl-is-text": "the ACL is a string",
    "acl-shuts-out": "the ACL leaves handlers out",
    # trying it
    "handshake": "a handshake succeeds",
    "handshake-refused": "... or is refused",
    "websocket": "a websocket opens",
    "websocket-failed": "... or does not",
    # a deployment
    "unreachable": "nobody answers",
    "not-sockio": "somebody else answers",
    "reached": "sockio answers, and how fast",
    "later-clients": "clients of which versions get a session",
    "later-clients-refused": "... some do and others do not",
    "slow": "it answers slowly",
    "no-tls": "the connection is not encrypted",
    "origin-lost": "pages of the site itself are refused",
    "foreign-origin": "pages of any other site are let in",
    "upgrade": "clients go over from polling to a websocket",
    "upgrade-failed": "... or do not, where a websocket opens by itself",
    "upgrade-removed": "something in front removes the upgrade to websocket",
    "websocket-cut": "the upgrade succeeds and the connection does not survive it",
    "polling": "polls are answered at once",
    "polling-held-back": "... or too late, or not at all",
    "streaming": "streams arrive as they are written",
    "streaming-held-back": "... or are collected on the way",
    "session-lost": "requests of one session reach different processes",
    "sessions-found": "... or the same one, however they come",
    "idle": "a connection on which nothing happens stays open",
    "idle-cut": "... or is cut",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``fix`` says what to do, for all that is not ``ok``."""

    code: str
    level: Level
    text: str
    fix: str = ""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"{self.code!r} has no row in CODES")


def is_well(findings: Iterable[Finding]) -> bool:
    """Whether there is no problem among them; warnings are allowed."""
    return all(each.level != "problem" for each in findings)


def as_json(findings: Iterable[Finding], **about: Any) -> str:
    """One object: ``well``, what it is about, and the ``findings``, each with code, level, text and
    fix."""
    listed = [asdict(each) for each in findings]
    well = all(each["level"] != "problem" for each in listed)
    return json.dumps({"well": well, **about, "findings": listed}, indent=2)


def as_text(findings: Iterable[Finding], width: int = 100) -> str:
    """For people: a paragraph each, the worst at the end, where eyes are; then the sum."""
    order = {"ok": 0, "note": 1, "warning": 2, "problem": 3}
    listed = sorted(findings, key=lambda each: order[each.level])
    lines = []
    for each in listed:
        lines += textwrap.wrap(
            f"{each.text} [{each.code}]",
            max(width, 40),
            initial_indent=f"{each.level:<8} ",
            subsequent_indent=9 * " ",
            break_on_hyphens=False,
        )
        if each.fix:
            lines += textwrap.wrap(
                each.fix,
                max(width, 40),
                initial_indent="         -> ",
                subsequent_indent=12 * " ",
                break_on_hyphens=False,
            )
    counted = {level: sum(each.level == level for each in listed) for level in order}
    problems, warnings = counted["problem"], counted["warning"]
    lines.append("")
    lines.append(
        "Nothing is wrong."
        if not problems + warnings
        else f"{_number(problems, 'problem')}, {_number(warnings, 'warning')}."
    )
    return "\n".join(lines)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
