"""Every chore of the project, each in its own environment: `nox --list` names them.

What is tested is always the built wheel, never the source tree. The Pythons come from the
classifiers in pyproject.toml, the tools from its dependency groups.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed
from packaging.requirements import Requirement

# Nox runs this file without its folder on the path.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from tests.support.releases import Record, Release, page, releases
from tests.support.snippets import write_snippets

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "typing", "tests", "docs"]

CI = "CI" in os.environ
# One Python is enough to work on the project; CI needs them all.
nox.options.error_on_missing_interpreters = CI
nox.options.download_python = "never"

ROOT = Path(__file__).resolve().parent
JS = ROOT / "tests" / "js"
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
# The clients of the demo's two pages: what the chat calls them, and their folders.
DEMO_CLIENTS = {
    "SOCKIO_CLIENT_JS": "socket.io-client-4.8.4",
    "SOCKIO_CLIENT_09_JS": "socket.io-client",
}
# What judges raw websockets, in a Python of its own.
AUTOBAHN = "autobahntestsuite==25.10.1"
# What the whole suite needs: the examples are part of it.
EXTRAS = sorted(PYPROJECT["project"]["optional-dependencies"])

# Tests that spend their time with other programs and over the wire, or waiting for them. These have
# a session of their own:
SERVERS = ("proxies/*", "servers/*")
PROGRAMS = (
    "benchmarks/*",
    "contract/*",
    "doctor/*",
    "e2e/*",
    "examples/*",
    "frameworks/*",
    "mesh/*",
    "redis/*",
    "testing/*",
    "unit/memory/*",
    "websocket/*",
    "wsgi/*",
)
# These run in CI with one Python, the newest: what they start is the same for all.
ONCE = ("redis/test_cluster.py", "redis/test_relay.py", "redis/test_relay_links.py")

# The rows of the matrix.
RELEASES = releases(
    [*PYPROJECT["project"]["dependencies"], *nox.project.dependency_groups(PYPROJECT, "test")]
)

#: Tests that may be unsure where many programs share two cores; more are a fault.
ONCE_MORE = 3

# Built by the first session that asks, and the same one for all the others of this run.
_wheel: Path | None = None


@nox.session
def demo(session: nox.Session) -> None:
    """Run the chat of examples/flask_chat as a user would get it; options go to `sockio demo`."""
    install_sockio(session, "demo")
    install_js_client(session)
    builds = {name: browser_build(package) for name, package in DEMO_CLIENTS.items()}
    env = {name: str(build) for name, build in builds.items() if build.is_file()}
    session.run("sockio", "demo", *session.posargs, env=env)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the whole suite against the built wheel, on every supported Python."""
    if session.python in os.environ.get("SOCKIO_TESTED_BESIDE", "").split():
        session.skip("CI runs it beside the others")
    install_sockio(session, *EXTRAS, requirements=group("test"))
    install_js_client(session)
    pytest(session, *spared(session, everything_on=PYTHONS[-1]), *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """Drive real pages in a headless Chromium; `-- -k chat` and the like go to pytest."""
    install_sockio(session, *EXTRAS, requirements=group("browser"))
    install_js_client(session)
    pytest(session, "tests/browser", *session.posargs, SOCKIO_BROWSER="1")


@nox.session
def servers(session: nox.Session) -> None:
    """Run every server and proxy that sockio has instructions for, uWSGI among them."""
    install_sockio(session, *EXTRAS, requirements=group("servers"))
    install_js_client(session)
    pytest(session, "tests/servers", "tests/proxies", *session.posargs, SOCKIO_UWSGI="1")


@nox.session
def failures(session: nox.Session) -> None:
    """Kill, stop and part what sockio depends on, under load, and account for what is lost, for
    a quarter of an hour. Hosts whose network is cut need root."""
    install_sockio(session, *EXTRAS, requirements=group("servers"))
    install_js_client(session)
    pytest(session, "tests/failures", *session.posargs, SOCKIO_FAILURES="1", SOCKIO_UWSGI="1")


@nox.session(python=[PYTHONS[0], PYTHONS[-1]])
def minimums(session: nox.Session) -> None:
    """Run the suite with every dependency at the lower bound that pyproject.toml promises; on the
    oldest Python without the fast paths, too."""
    pins = [lowest(requirement) for requirement in promised()]
    install_sockio(session, *EXTRAS, requirements=[*group("test"), *pins])
    install_js_client(session)
    slowly = ["--without", ",".join(fast_paths(session))] if session.python == PYTHONS[0] else []
    pytest(session, *slowly, *spared(session, everything_on=PYTHONS[0]), *session.posargs)


@nox.session
def fallbacks(session: nox.Session) -> None:
    """Run the suite with each of the fast paths left out, one after the other, then with all."""
    install_sockio(session, *EXTRAS, requirements=group("test"))
    install_js_client(session)
    names = fast_paths(session)
    for left_out in [*names, ",".join(names)]:
        pytest(session, "--without", left_out, *session.posargs)


# Environments by the dozen: uv, where it is there, makes them in less time.
@nox.session(python=PYTHONS, reuse_venv=False, venv_backend="uv|virtualenv")
@nox.parametrize("release", [nox.param(release, id=release.id) for release in RELEASES])
def matrix(session: nox.Session, release: Release) -> None:
    """Run what concerns one release of a framework or of gevent, the rest being the newest."""
    python = str(session.python)
    if reason := release.impossible(python):
        session.skip(reason.rstrip("."))
    record = Record(python, release.id, commit=tested_commit(session))
    folder = session.cache_dir / "matrix"
    record.write(folder)  # in the place of an older one, which is not to outlive a failure
    tools = [tool for tool in group("test") if Requirement(tool).name in {"pytest", "hypothesis"}]
    record.trouble = "it could not be installed"
    try:
        install_sockio(session, requirements=[release.requirement, *release.subject.beside, *tools])
        install_js_client(session)
        record.versions = versions_in(session)
        files = release.subject.files()
        junit = Path(session.create_tmp()).resolve() / "junit.xml"
        junit.unlink(missing_ok=True)
        record.trouble = "the tests did not start"
        try:
            # CI: what is missing, node among it, fails instead of being skipped.
            chosen = ["-k", release.subject.keyword] if release.subject.keyword else []
            pytest(session, *files, *chosen, f"--junit-xml={junit}", "-q", CI="true")
        finally:
            record.count(junit)
    finally:
        record.write(folder)


@nox.session(python=False)
def matrix_page(session: nox.Session) -> None:
    """Write docs/matrix.md from what the sessions `matrix` left behind."""
    try:
        text = page(RELEASES, PYTHONS, session.cache_dir / "matrix")
    except LookupError as error:
        session.error(str(error))
    (ROOT / "docs" / "matrix.md").write_text(text, encoding="utf-8")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting; `nox -s lint -- --fix` repairs what can be repaired."""
    session.install(*group("lint"))
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []))
    session.run("ruff", "format", *([] if fix else ["--check"]))


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types, strictly: the package, its tests, this file, the examples, and all Python of
    the README and the documentation."""
    install_sockio(session, *EXTRAS, requirements=group("typing"))
    session.run("mypy", *session.posargs)
    # As their readers do, where a folder of theirs is the first on the path.
    for example in ("django_chat", "pyramid_chat"):
        with session.chdir(ROOT / "examples" / example):
            session.run("mypy", "--strict", ".")
    session.run("pyright")
    # Those of pages as modules, with what their readers have.
    folder = Path(session.create_tmp()).resolve() / "snippets"
    write_snippets(folder)
    stubs = str(ROOT / "typings")
    with session.chdir(folder):
        oldest = ("--python-version", PYTHONS[0])
        session.run("mypy", "--strict", *oldest, ".", env={"MYPYPATH": stubs})
        config = {"include": ["."], "pythonVersion": PYTHONS[0], "stubPath": stubs}
        Path("pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
        session.run("pyright")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation with warnings as errors, and run the examples in it."""
    install_sockio(session, "django-demo", requirements=group("docs"))
    for builder in ("html", "doctest"):
        session.run(
            "sphinx-build", "--fail-on-warning", "--keep-going", "--quiet",
            "--builder", builder, "docs", f"docs/_build/{builder}",
        )  # fmt: skip


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the suite once and report which lines and branches it never reached."""
    install_sockio(session, *EXTRAS, requirements=group("coverage"))
    install_js_client(session)
    session.run("coverage", "erase")
    # The script and not `-m pytest`, which would put the source tree in front of the wheel.
    script = str(Path(session.bin) / "pytest")
    session.run("coverage", "run", script, *session.posargs, env={"SOCKIO_EXPECT_INSTALLED": "1"})
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Run the property-based tests with the many examples of the "fuzz" hypothesis profile."""
    install_sockio(session, requirements=group("test"))
    pytest(session, "-m", "fuzz", "--hypothesis-profile=fuzz", *session.posargs)


@nox.session
def autobahn(session: nox.Session) -> None:
    """Have Autobahn's fuzzing client judge raw websockets, for a minute; it needs a Python 2.7, as
    python2.7 on PATH or where SOCKIO_PYTHON2 says."""
    python2 = os.environ.get("SOCKIO_PYTHON2") or shutil.which("python2.7")
    if python2 is None:
        session.skip("there is no python2.7 on PATH")
    install_sockio(session)
    libraries = session.cache_dir / "autobahn"
    if not (libraries / "autobahntestsuite").is_dir():
        session.run_install(
            python2, "-m", "pip", "install", "--quiet", "--target", str(libraries), AUTOBAHN,
            external=True,
        )  # fmt: skip
    report = Path(session.create_tmp()) / "autobahn"
    session.run("python", "tests/autobahn/judge.py", python2, str(libraries), str(report))
    session.log(f"the report is {report / 'index.html'}")


@nox.session
def examples(session: nox.Session) -> None:
    """Start every example and see that it answers."""
    install_sockio(session, *EXTRAS, requirements=group("test"))
    install_js_client(session)
    pytest(session, "tests/examples", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure sockio and its peers; `-- --quick` and the like go to the runner.

    `-- --bystander` measures instead what others feel while one client floods, in five minutes,
    `-- --bounds` what one can make the server keep, and `-- --clusters` several workers beside
    those of peers.
    """
    install_sockio(session, "fast", "redis", requirements=group("bench"))
    # The servers are scripts of their own and import the wheel; only the runner is of the checkout.
    program, *options = session.posargs or ["run"]
    if program in ("--bystander", "--bounds", "--clusters"):
        session.run("python", "-m", f"benchmarks.{program[2:]}", *options)
    else:
        session.run("python", "-m", "benchmarks", "run", *session.posargs)


def spared(session: nox.Session, everything_on: str) -> list[str]:
    """Options for pytest that leave out, in CI, what the session "servers" runs, and but for one
    Python the other tests that start programs and what goes over the wire: they take as long as
    all the rest together. That one is the newest, and the oldest at the lower bounds."""
    if not CI:
        return []
    paths: tuple[str, ...] = SERVERS
    if session.python != everything_on:
        paths += PROGRAMS
    elif session.python != PYTHONS[-1]:
        paths += ONCE
    return [f"--ignore-glob=tests/{path}" for path in paths]


def group(name: str) -> tuple[str, ...]:
    """The requirements of one dependency group of pyproject.toml."""
    return nox.project.dependency_groups(PYPROJECT, name)


def promised() -> list[str]:
    """The requirements of the package and of all its extras."""
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"].values()
    return [*project["dependencies"], *itertools.chain.from_iterable(extras)]


def fast_paths(session: nox.Session) -> list[str]:
    """The fast paths that the installed sockio has."""
    code = "from sockio.config import FAST_PATHS; print(*FAST_PATHS)"
    printed = session.run("python", "-c", code, silent=True)
    return str(printed).split()


def lowest(requirement: str) -> str:
    """The exact pin of a requirement's lower bound; raises ValueError if it has none."""
    parsed = Requirement(requirement)
    (bound,) = (part.version for part in parsed.specifier if part.operator == ">=")
    return f"{parsed.name}=={bound}"


def pytest(session: nox.Session, *args: str, **environ: str) -> None:
    """Run pytest where tests/test_house.py insists that the tested sockio is the wheel's. In CI a
    few tests that fail are run once more, by themselves: one that passes then is told."""
    env = {"SOCKIO_EXPECT_INSTALLED": "1", **environ}
    # One of its own: sessions run side by side. (Not below create_tmp(), which moves everybody's
    # temporary files there: paths of sockets are short.)
    cache = session.cache_dir.resolve() / "pytest" / str(session.name)
    shutil.rmtree(cache, ignore_errors=True)
    # The script and not `python -m pytest`, which would put the source tree in front of the wheel.
    command = ["pytest", *args, "-o", f"cache_dir={cache}"]
    try:
        session.run(*command, env=env)
    except CommandFailed:
        found = cache / "v" / "cache" / "lastfailed"
        failed = list(json.loads(found.read_text())) if found.is_file() else []
        # What could not be collected has no name of a test.
        if not (CI and 0 < len(failed) <= ONCE_MORE and all("::" in name for name in failed)):
            raise
        session.run(*command, "--last-failed", "--last-failed-no-failures", "none", env=env)
        session.warn(f"UNSURE: failed among the others, passed alone: {', '.join(failed)}")


def install_sockio(
    session: nox.Session, *extras: str, requirements: tuple[str, ...] | list[str] = ()
) -> None:
    """Install the built wheel with its extras, and whatever else the session needs."""
    wheel = built_wheel(session)
    # pip never replaces an installed wheel by another one of the same version unless forced, and
    # a reused environment has the wheel of the last run.
    session.install("--force-reinstall", "--no-deps", str(wheel))
    suffix = f"[{','.join(extras)}]" if extras else ""
    session.install(f"{wheel}{suffix}", *requirements)


def versions_in(session: nox.Session) -> dict[str, str]:
    """The full versions of what a session runs: its Python, its packages, node."""
    script = (
        "import json, platform; from importlib.metadata import distributions;"
        "found = {each.name: each.version for each in distributions()};"
        "print(json.dumps({'python': platform.python_version(), **found}))"
    )
    said = session.run("python", "-c", script, silent=True)
    found: dict[str, str] = json.loads(str(said))
    node = session.run("node", "--version", silent=True, external=True)
    return {**found, "node": str(node).strip().removeprefix("v")}


def tested_commit(session: nox.Session) -> str:
    """The last commit that changed the package, and whether it was changed since."""
    git = ("git", "-C", str(ROOT))
    found = session.run(
        *git, "log", "-1", "--format=%h", "--", "sockio", silent=True, external=True
    )
    changed = session.run(*git, "status", "--porcelain", "--", "sockio", silent=True, external=True)
    return f"{str(found).strip()}{' (and changes)' if str(changed).strip() else ''}"


def built_wheel(session: nox.Session) -> Path:
    """The wheel of this checkout, built once in a run of nox."""
    global _wheel
    if _wheel is None:
        folder = session.cache_dir / "wheel"
        if session.venv_backend == "uv":  # which puts no pip into its environments
            build = ["uv", "build", "--wheel", "--quiet", "--out-dir", str(folder)]
        else:
            build = [
                "python",
                "-m",
                "pip",
                "wheel",
                "--quiet",
                "--no-deps",
                "--wheel-dir",
                str(folder),
            ]
        session.run_install(*build, ".", silent=True)
        # The newest: `nox -R` builds nothing and takes the last one.
        _wheel = max(folder.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    return _wheel


def install_js_client(session: nox.Session) -> None:
    """Install the real JavaScript clients into tests/js, if they are not there and npm is."""
    if all(
        installed_version(JS / "node_modules" / name) == wanted.rpartition("@")[2]
        for name, wanted in wanted_versions().items()
    ):
        return
    if shutil.which("npm") is None:
        if CI:
            session.error("npm is not on PATH: CI has to run the JavaScript client")
        session.log("npm is not on PATH: going on without the JavaScript client")
        return
    with session.chdir(JS):
        quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
        session.run_install("npm", "install", *quietly, external=True, silent=True)


def browser_build(package: str) -> Path:
    """Where the script for pages is, of a package in tests/js."""
    return JS / "node_modules" / package / "dist" / "socket.io.js"


def wanted_versions() -> dict[str, str]:
    """The JavaScript packages that tests/js/package.json pins, by the names of their folders:
    versions, or ``npm:NAME@VERSION``."""
    versions: dict[str, str] = json.loads((JS / "package.json").read_text())["dependencies"]
    return versions


def installed_version(folder: Path) -> str | None:
    """The version of a JavaScript package in its folder of node_modules; None if not there."""
    try:
        version: str = json.loads((folder / "package.json").read_text())["version"]
    except FileNotFoundError:
        return None
    return version
