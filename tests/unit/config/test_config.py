"""Settings: one table for keyword arguments, ini strings and command-line options."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from sockio import SettingsError
from sockio.config.rates import Rate
from sockio.config.settings import ACKS_BYTES, INBOX_BYTES, OPTIONS, ROOMS_BYTES, SESSIONS, Settings


def decide(origin: str | None, environ: dict[str, Any]) -> bool:
    """A policy of the application's own."""
    return True


# ---- values

# (name, what is given, what it becomes)
VALUES = [
    pytest.param("resource", "socket.io", "socket.io", id="resource"),
    pytest.param("sid_prefix", "a.", "a.", id="prefix of session ids"),
    pytest.param("resource", "/live/socket.io/", "live/socket.io", id="resource with slashes"),
    pytest.param("transports", None, None, id="transports: None is all of them"),
    pytest.param("transports", None, None, id="all transports"),
    pytest.param("transports", ["websocket"], ("websocket",), id="transports as a list"),
    pytest.param(
        "transports", "websocket, xhr-polling", ("websocket", "xhr-polling"), id="with commas"
    ),
    pytest.param(
        "transports", "websocket\n  xhr-polling", ("websocket", "xhr-polling"), id="on two lines"
    ),
    pytest.param("heartbeat_interval", 5, 5.0, id="seconds as an int"),
    pytest.param("heartbeat_interval", 0.25, 0.25, id="seconds as a float"),
    pytest.param("heartbeat_interval", " 25 ", 25.0, id="seconds in an ini file"),
    pytest.param("max_payload", "65536", 65536, id="bytes in an ini file"),
    pytest.param("max_payload", 1e6, 1_000_000, id="bytes as a round float"),
    pytest.param("max_outbox", "100, 4096", (100, 4096), id="packets and bytes in an ini file"),
    pytest.param("max_outbox", [100, "4096"], (100, 4096), id="packets and bytes as a list"),
    pytest.param("max_rooms", "100, 4096", (100, 4096), id="rooms in an ini file"),
    pytest.param("max_rooms", 100, (100, ROOMS_BYTES), id="rooms alone"),
    pytest.param("max_acks", "100, 4096", (100, 4096), id="callbacks in an ini file"),
    pytest.param("max_acks", 100, (100, ACKS_BYTES), id="callbacks alone"),
    pytest.param("max_inbox", "100, 4096", (100, 4096), id="an inbox in an ini file"),
    pytest.param("max_inbox", (100, 4096), (100, 4096), id="an inbox as a pair"),
    pytest.param("max_inbox", 100, (100, INBOX_BYTES), id="an inbox, as it was: packets alone"),
    pytest.param("max_inbox", "100", (100, INBOX_BYTES), id="the same in an ini file"),
    pytest.param("max_sessions", 100, (100, SESSIONS), id="sessions of one address"),
    pytest.param("max_sessions", "100, 0", (100, 0), id="and of all, without a limit"),
    pytest.param("rate_limit", "100/1s", Rate(100, 1), id="a rate"),
    pytest.param("rate_limit", "5/m close", Rate(5, 60, "close"), id="a rate with its policy"),
    pytest.param("rate_limit", None, None, id="no rate"),
    pytest.param("overflow", "drop", "drop", id="one of two words"),
    pytest.param("origins", None, None, id="origins: the same one"),
    pytest.param("origins", "", None, id="origins left empty in an ini file"),
    pytest.param("origins", "*", "*", id="origins: anybody"),
    pytest.param("origins", ["https://a.example", "*"], "*", id="anybody, among others"),
    pytest.param("origins", "https://A.example/", ("https://a.example",), id="one origin"),
    pytest.param(
        "origins",
        "https://a.example http://b.example:8080",
        ("https://a.example", "http://b.example:8080"),
        id="two origins",
    ),
    pytest.param("origins", ["null"], ("null",), id="pages without an origin"),
    pytest.param("origins", decide, decide, id="origins: a callable"),
    pytest.param("origins", "json:loads", json.loads, id="origins: the name of a callable"),
    pytest.param("hosts", None, None, id="any host"),
    pytest.param("trusted_proxies", "", None, id="proxies left empty in an ini file"),
    pytest.param("without", "", (), id="without, left empty in an ini file"),
    pytest.param("without", "http, detach", ("http", "detach"), id="without two fast paths"),
    pytest.param("without", ["join"], ("join",), id="without one, as a list"),
    pytest.param("own_transports", [int], (int,), id="classes"),
    pytest.param("own_transports", "builtins:int", (int,), id="the name of a class"),
    pytest.param("authorize", decide, decide, id="a callable"),
    pytest.param("authorize", "json:loads", json.loads, id="the name of a callable"),
    pytest.param("json_dumps", "", None, id="a callable left out in an ini file"),
    pytest.param("json_dumps", None, None, id="no callable"),
    pytest.param("json_default", "builtins:str", str, id="the name of a type"),
]


@pytest.mark.parametrize(("name", "given", "value"), VALUES)
def test_a_value_is_converted(name: str, given: Any, value: Any) -> None:
    settings = Settings.make({name: given})
    assert getattr(settings, name) == value
    assert type(getattr(settings, name)) is type(value)


REFUSED = [
    pytest.param("sid_prefix", "a/", "letters", id="a prefix that is no part of a path"),
    pytest.param("sid_prefix", "a:", "letters", id="a prefix that ends the field"),
    pytest.param("resource", "", "URL path", id="an empty resource"),
    pytest.param("resource", "/", "URL path", id="the whole site"),
    pytest.param("resource", "a?b", "URL path", id="a resource with a query"),
    pytest.param("resource", None, "URL path", id="no resource at all"),
    pytest.param("transports", [], "at least one", id="no transport"),
    pytest.param("transports", " , ", "at least one", id="no transport but a comma"),
    pytest.param("heartbeat_interval", 0, "positive number of seconds", id="no time"),
    pytest.param("heartbeat_interval", -1, "positive number of seconds", id="negative time"),
    pytest.param(
        "close_timeout", 0, "from ever connecting", id="the reference's way to turn it off"
    ),
    pytest.param("heartbeat_timeout", "0", "from ever connecting", id="the same in an ini file"),
    pytest.param("ping_interval", 1_000_001, "end at once", id="what no timer can be set to"),
    pytest.param("close_timeout", math.inf, "positive number of seconds", id="for ever"),
    pytest.param("close_timeout", "nan", "positive number of seconds", id="no number"),
    pytest.param("close_timeout", "soon", "could not convert", id="a word for a time"),
    pytest.param("close_timeout", None, "NoneType", id="None for a time"),
    pytest.param("max_payload", 0, "positive whole number", id="no bytes"),
    pytest.param("max_payload", "many", "invalid literal", id="a word for a number"),
    pytest.param("max_payload", 2.5, "positive whole number", id="half a byte"),
    pytest.param("max_payload", math.inf, "infinity", id="endlessly many bytes"),
    pytest.param("max_outbox", 100, "", id="one number instead of two"),
    pytest.param("max_outbox", "100", "two numbers", id="one number in an ini file"),
    pytest.param("max_outbox", (1, 2, 3), "two numbers", id="three numbers"),
    pytest.param("max_outbox", (1, 0), "positive whole number", id="an outbox without bytes"),
    pytest.param("max_rooms", 0, "positive whole number", id="no rooms"),
    pytest.param("max_rooms", "1, 2, 3", "one or two numbers", id="three numbers for rooms"),
    pytest.param("max_inbox", 0, "positive whole number", id="an inbox without packets"),
    pytest.param("max_inbox", "1, 0", "positive whole number", id="an inbox without bytes"),
    pytest.param("max_inbox", (1, 2, 3), "two numbers", id="three numbers for an inbox"),
    pytest.param("max_inbox", None, "", id="None for an inbox"),
    pytest.param("max_sessions", -1, "positive", id="less than no session"),
    pytest.param("max_sessions", (1, 2, 3), "one or two", id="three numbers for sessions"),
    pytest.param("rate_limit", "100", "5/10s", id="no rate"),
    pytest.param("rate_limit", "1/s often", "refuse, drop, close", id="no policy"),
    pytest.param("overflow", "ignore", "one of close, drop", id="a word that is none of the two"),
    pytest.param("origins", "a.example", "'https://a.example'", id="an origin without a scheme"),
    pytest.param("origins", 5, "", id="a number for an origin"),
    pytest.param("origins", "wss://a.example", "'https://a.example'", id="a websocket's URL"),
    pytest.param("hosts", "", "such as 'chat.example.com'; leave it out", id="no host"),
    pytest.param("hosts", [], "'chat.example.com'; leave it out, or None", id="none listed"),
    pytest.param("hosts", " , ", "must name at least one host", id="commas for hosts"),
    pytest.param("hosts", False, "must name at least one host", id="no for hosts"),
    pytest.param("transports", "", "leave it out, or None, for all", id="an empty transport"),
    pytest.param("rate_limit", "", "such as '100/1s'; leave it out", id="a rate that is not there"),
    pytest.param("authorize", "", "leave it out for everybody", id="nobody who would be asked"),
    pytest.param("origins", "https://*.example", "callable", id="a wildcard inside an origin"),
    pytest.param("hosts", "https://a.example", "'chat.example.com'", id="a host with a scheme"),
    pytest.param("hosts", "*", "'*.example.com'", id="any host"),
    pytest.param("hosts", "a.*.example", "'*.example.com'", id="a wildcard inside a host"),
    pytest.param("hosts", "*.a.example:80", "'*.example.com'", id="a wildcard with a port"),
    pytest.param("trusted_proxies", "proxy", "addresses, networks", id="a proxy by its name"),
    pytest.param("trusted_proxies", "10.0.0.1/8", "host bits", id="no network"),
    pytest.param("authorize", "no_such_module:fn", "no_such_module", id="a module that is none"),
    pytest.param("authorize", "json:no_such_name", "no_such_name", id="a name that is none"),
    pytest.param("authorize", "json:__doc__", "callable", id="the name of something else"),
    pytest.param("json_loads", 5, "callable", id="a number for a callable"),
]


@pytest.mark.parametrize(("name", "given", "why"), REFUSED)
def test_a_value_that_cannot_work_is_refused_with_its_name_and_the_reason(
    name: str, given: Any, why: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.make({name: given})
    message = str(refused.value)
    assert message.startswith(f"setting {name}={given!r}: ")
    assert why in message
    assert OPTIONS[name].doc in message


# ---- names


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("hearbeat_interval", "Did you mean 'heartbeat_interval'?", id="a typo"),
        pytest.param("origin", "Did you mean 'origins'?", id="a singular"),
        pytest.param("xyz", "Known: resource, transports, ", id="something else altogether"),
        pytest.param("namespace", "{'/chat': ChatNamespace}", id="no setting"),
        pytest.param("cors_allowed_origins", "called 'origins'", id="Flask-SocketIO's name"),
        pytest.param("maxHttpBufferSize", "called 'max_payload'", id="Node's name"),
    ],
)
def test_an_unknown_name_is_refused_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=f"there is no setting {name!r}") as refused:
        Settings.make({name: 1})
    assert hint in str(refused.value)


def test_a_settings_error_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="xyz"):
        Settings.make(xyz=1)


# ---- values that contradict each other


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param(
            {"heartbeat_interval": 60, "heartbeat_timeout": 60},
            r"heartbeat_interval \(60 s\) must be shorter than heartbeat_timeout \(60 s\)",
            id="heartbeats as rare as their timeout",
        ),
        pytest.param(
            {"heartbeat_interval": 30, "close_timeout": 20, "polling_duration": 10},
            r"heartbeat_interval \(30 s\) must be shorter than close_timeout \(20 s\)",
            id="heartbeats rarer than clients expect data",
        ),
        pytest.param(
            {"polling_duration": 60},
            r"polling_duration \(60 s\) must be shorter than close_timeout \(60 s\)",
            id="polls as long as clients expect data",
        ),
    ],
)
def test_times_that_contradict_each_other(options: dict[str, float], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        Settings.make(options)


def test_times_may_be_as_short_as_they_like_in_proportion() -> None:
    settings = Settings.make(
        heartbeat_interval=0.1, heartbeat_timeout=0.2, polling_duration=0.1, close_timeout=0.2
    )
    assert settings.close_timeout == 0.2


# ---- the table


def test_the_defaults_are_those_of_the_design() -> None:
    settings = Settings.make()
    assert settings.resource == "socket.io"
    assert settings.transports is None
    assert settings.origins is None
    assert (settings.heartbeat_interval, settings.heartbeat_timeout) == (25, 60)
    assert (settings.close_timeout, settings.polling_duration) == (60, 20)
    assert settings.max_payload == 1_000_000


@pytest.mark.parametrize("option", OPTIONS.values(), ids=list(OPTIONS))
def test_every_option_explains_itself_and_converts_its_own_default(option: Any) -> None:
    assert option.doc
    assert not option.doc.endswith(".")
    assert option.convert(option.default) == option.default


def test_the_table_has_every_field_in_order() -> None:
    assert list(OPTIONS) == [field.name for field in dataclasses.fields(Settings)]


def test_keyword_arguments_come_on_top_of_a_mapping() -> None:
    settings = Settings.make({"max_acks": "7", "max_packets": "8"}, max_acks=9)
    assert (settings.max_acks[0], settings.max_packets) == (9, 8)


def test_settings_are_frozen_and_compared_by_value() -> None:
    settings = Settings.make(max_acks=7)
    assert settings == Settings.make({"max_acks": "7"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.max_packets = 8  # type: ignore[misc]
