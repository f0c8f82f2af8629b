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

#: From the ground up. A row may know the rows below it, and within itself whoever makes no circle.
#: A package stands for all its modules.
LAYERS = [
    {"crowd", "exceptions", "forwarded", "handlers", "heads", "origins", "rates", "reasons"},
    {"exceptions", "heads", "reasons", "handlers", "forwarded", "origins"},
    {"exceptions", "gate", "reasons", "handlers", "forwarded", "origins"},
    {"config", "protocol"},
    {"outbox", "fast_json"},
    {"turn"},
    {"interfaces"},
    {
        "acks",
        "claims",
        "frameworks",
        "complaints",
        "wheel",
        "jobs",
        "error_handling",
        "doorstep",
        "outlet",
        "letterbox",
        "pace",
        "patching",
        "workers",
        "runtime",
    },
    {"virtsocket"},
    {"rooms", "backplane", "registry"},
    {"dispatch", "namespace", "emitter", "mixins", "transports", "door"},
    {"manage", "admission", "client_script", "lasting", "surroundings", "endpoint", "middleware"},
    {"fast_http"},
    {"server", "pywsgi_handler", "flash_policy", "integrations", "testing"},
    {"doctor"},
    {"cli", "", "__main__"},
]

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
        "cli",
        "doctor",
        "testing",
        "integrations",
    },
    "greenlet": {"jobs", "workers"},
    "httptools": {"fast_http.reader"},
    "orjson": {"fast_json"},
    "webob": {"admission", "endpoint"},
    "pytest": {"testing.pytest_plugin"},
    "websockets": {"transports.framing", "testing.wires", "integrations.django.rawsocket"},
    "django": {"integrations.django"},
    "werkzeug": {"integrations.django"},
    "watchfiles": {"cli"},
    "flask": {"integrations.flask"},
    "pyramid": {"integrations.pyramid"},
    "bottle": {"integrations.bottle"},
    "gunicorn": {"integrations.gunicorn_worker"},
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
    for number, row in enumerate(LAYERS):
        if top in row:
            return number
    raise AssertionError(
        f"sockio/{module.replace('.', '/')}.py has no place yet: give it one above"
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
    assert names <= set(sys.stdlib_module_names) | {"sockio"}
    assert not names & IMPURE
    assert all(is_one_of(each, {"protocol", "exceptions"}) for each in own_imports(module))


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_imports_its_kin_by_relative_imports(module: str) -> None:
    tree = ast.parse(SOURCES[module].read_text("utf-8"))
    absolute = [
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "") == "sockio"
    ]
    assert absolute == []


def test_the_rows_name_only_what_exists_or_is_drawn_in_the_map() -> None:
    tops = {module.partition(".")[0] for module in SOURCES}
    announced = {"flash_policy", "__main__"}
    assert set().union(*LAYERS) - tops <= announced
