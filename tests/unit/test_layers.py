"""Who may know whom: imports point downward only. The sources are read, nothing is imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sockio

PACKAGE = Path(sockio.__file__).parent

#: The rooms, from the ground up: a folder stands for all that is in it. A row may know the rows
#: below it, and within itself whoever makes no circle.
LAYERS = [
    {"exceptions", "config"},
    {"protocol", "runtime"},
    {"sessions"},
    {"backplane"},
    {"transports", "namespaces"},
    {"http"},
    {"server"},
    {"integrations", "testing"},
    {"compat"},
    {"doctor"},
    {"cli"},
]

#: What lies at the root beside them hands on names that users import, and has nothing of its own.
FACES = {"", "__main__", "fast_json", "middleware", "mixins", "namespace", "virtsocket"}

#: Which modules (or packages) may import what is not in the standard library.
THIRD_PARTY = {
    "gevent": {
        "runtime",
        "workers",
        "letterbox",
        "patching",
        "server",
        "pywsgi_handler",
        "flash_policy",
        "tls",
        "cli",
        "doctor",
        "testing",
        "integrations",
        "compat",
    },
    "greenlet": {"runtime.workers", "sessions.jobs"},
    "httptools": {"server.fast_http.reader"},
    "msgpack": {"protocol.msgpack_codec", "protocol.msgpack_values"},
    "orjson": {"protocol.fast_json"},
    "webob": {"http.admission", "http.endpoint"},
    "pytest": {"testing.pytest_plugin"},
    "websockets": {
        "transports.framing",
        "transports.deflate",
        "testing.engine",
        "testing.wires",
        "transports.rawsocket",
    },
    "django": {"integrations.django"},
    "werkzeug": {"integrations.django", "compat.flask_socketio"},
    "watchfiles": {"cli"},
    "flask": {"integrations.flask", "compat.flask_socketio"},
    "pyramid": {"integrations.pyramid"},
    "bottle": {"integrations.bottle"},
    "hiredis": {"backplane.redis.library"},
    "redis": {"backplane.redis.library"},
    "gunicorn": {"integrations.gunicorn_worker", "integrations.gunicorn_requests"},
}

#: What would make a pure function depend on something else than its arguments.
IMPURE = {"asyncio", "os", "random", "secrets", "select", "socket", "threading", "time", "logging"}


def name_of(path: Path) -> str:
    """``protocol.packet`` for ``sockio/protocol/packet.py``, "" for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


SOURCES = {
    name_of(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "_demo" not in path.relative_to(PACKAGE).parts
}


def imports_of(module: str) -> Iterator[str]:
    """Full names of what a module imports, wherever in it, also for type checkers only."""
    path = SOURCES[module]
    package = ["sockio", *module.split(".")] if module else ["sockio"]
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                below = f"{base}.{alias.name}".removeprefix("sockio.")
                yield f"sockio.{below}" if below in SOURCES else base


def own_imports(module: str) -> set[str]:
    """The modules of sockio that a module imports."""
    names = {name for name in imports_of(module) if name.split(".")[0] == "sockio"}
    return {name.partition(".")[2] for name in names} - {module}


def layer_of(module: str) -> int:
    top = module.partition(".")[0]
    if module in FACES:
        return len(LAYERS)
    for number, row in enumerate(LAYERS):
        if top in row:
            return number
    raise AssertionError(
        f"sockio/{module.replace('.', '/')}.py is in no room: put it into that of its subject"
    )


def is_one_of(module: str, names: set[str]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in names)


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_downward_only(module: str) -> None:
    upward = {each for each in own_imports(module) if layer_of(each) > layer_of(module)}
    assert upward == set()


def test_nobody_imports_in_a_circle() -> None:
    graph = {module: own_imports(module) for module in SOURCES}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("module", SOURCES)
def test_only_few_know_a_library(module: str) -> None:
    libraries = {name.split(".")[0] for name in imports_of(module)} - {"sockio"}
    libraries -= set(sys.stdlib_module_names)
    assert libraries <= set(THIRD_PARTY)
    strangers = {each for each in libraries if not is_one_of(module, THIRD_PARTY[each])}
    assert strangers == set()


@pytest.mark.parametrize("module", [each for each in SOURCES if is_one_of(each, {"protocol"})])
def test_the_protocol_knows_the_standard_library_and_nothing_that_changes(module: str) -> None:
    names = {name.split(".")[0] for name in imports_of(module)}
    libraries = {each for each, users in THIRD_PARTY.items() if module in users}  # orjson, by name
    assert names <= set(sys.stdlib_module_names) | {"sockio"} | libraries
    assert not names & IMPURE
    assert all(is_one_of(each, {"protocol", "exceptions"}) for each in own_imports(module))


@pytest.mark.parametrize("module", sorted(FACES & set(SOURCES)))
def test_what_lies_at_the_root_only_hands_names_on(module: str) -> None:
    tree = ast.parse(SOURCES[module].read_text("utf-8"))
    own = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    assert [node.name for node in ast.walk(tree) if isinstance(node, own)] == []


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_imports_its_kin_by_relative_imports(module: str) -> None:
    tree = ast.parse(SOURCES[module].read_text("utf-8"))
    absolute = [
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "") == "sockio"
    ]
    assert absolute == []


def test_the_rows_name_only_what_exists() -> None:
    tops = {module.partition(".")[0] for module in SOURCES}
    assert set().union(*LAYERS) - tops == set()
