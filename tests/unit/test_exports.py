"""What can be imported from where: the public names, exactly."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import GenericAlias, ModuleType

import pytest

import sockio

PUBLIC = {
    "LATER",
    "AckFailed",
    "AckTimeout",
    "BaseNamespace",
    "BroadcastMixin",
    "ConnectionRefused",
    "Disconnected",
    "Emitter",
    "EventRefused",
    "Handlers",
    "NotInstalled",
    "PacketError",
    "RateLimited",
    "Reason",
    "RoomsMixin",
    "SettingsError",
    "Socket",
    "SocketIOMiddleware",
    "SockioError",
    "UsageError",
    "WebSocketClosed",
    "allow",
    "concurrent",
    "limit",
    "on",
    "socketio_manage",
}

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sockio.__path__, "sockio.")
    if not module.name.startswith("sockio._demo")
)


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_the_public_names() -> None:
    assert set(sockio.__all__) == PUBLIC
    modules = {name.split(".")[1] for name in MODULES}
    there = {name for name in vars(sockio) if not name.startswith("_")}
    assert there - modules - {"annotations"} == PUBLIC


def test_the_package_is_re_exports_and_nothing_else() -> None:
    for name in PUBLIC:
        assert getattr(sockio, name).__module__.startswith("sockio.")


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_explains_itself(name: str) -> None:
    assert inspect.getdoc(getattr(sockio, name))


@pytest.mark.parametrize("cls", ["BaseNamespace", "RoomsMixin", "BroadcastMixin", "Socket"])
def test_every_public_method_explains_itself(cls: str) -> None:
    silent = [
        name
        for name, value in vars(getattr(sockio, cls)).items()
        if not name.startswith("_") and callable(value) and not inspect.getdoc(value)
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("sockio.virtsocket", "Socket"),
        ("sockio.server", "SocketIOServer"),
        ("sockio.server", "serve"),
        ("sockio.protocol.packet", "encode"),
        ("sockio.protocol.packet", "decode"),
        ("sockio.protocol.packet", "MSG_TYPES"),
        ("sockio.protocol.packet", "ERROR_REASONS"),
        ("sockio.protocol.packet", "ERROR_ADVICES"),
        ("sockio.protocol.packet", "socketio_packet_attributes"),
        ("sockio.namespace", "BaseNamespace"),
        ("sockio.mixins", "RoomsMixin"),
        ("sockio.mixins", "BroadcastMixin"),
        ("sockio.sessions.error_handling", "default_error_handler"),
        ("sockio.protocol.strict_json", "default_json_loads"),
        ("sockio.protocol.strict_json", "default_json_dumps"),
    ],
)
def test_names_that_have_their_module_in_the_documentation(module: str, name: str) -> None:
    assert hasattr(load(module), name)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_and_what_it_offers(name: str) -> None:
    module = load(name)
    assert module.__doc__
    missing = [each for each in module.__all__ if not hasattr(module, each)]
    submodules = {each.name for each in pkgutil.iter_modules(getattr(module, "__path__", ()))}
    assert set(missing) <= submodules
    assert len(set(module.__all__)) == len(module.__all__)
    assert not [each for each in module.__all__ if each.startswith("_")]


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_offers_is_its_own(name: str) -> None:
    """Only packages hand on what others define; everything else is imported from where it is."""
    module = load(name)
    if hasattr(module, "__path__"):
        return
    if "." not in name.removeprefix("sockio."):
        return  # A face: the address that a user imports it from.
    allowed_to_hand_on = {
        # Where these were before they were for every framework.
        ("sockio.integrations.django.rawsocket", "Door"),
        ("sockio.integrations.django.rawsocket", "WebSocket"),
        ("sockio.integrations.django.rawsocket", "WebSocketClosed"),
        ("sockio.integrations.django.rawsocket", "asks_for_websocket"),
        ("sockio.namespaces.namespace", "allow"),
        ("sockio.namespaces.namespace", "limit"),
        ("sockio.namespaces.namespace", "on"),
        ("sockio.sessions.socket", "default_error_handler"),
    }
    # Before 3.11, a generic alias is a class to inspect.
    offers = {
        each: value
        for each in module.__all__
        if not isinstance(value := getattr(module, each), GenericAlias)
    }
    foreign = {
        (name, each)
        for each, value in offers.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ != name
    }
    assert foreign <= allowed_to_hand_on
