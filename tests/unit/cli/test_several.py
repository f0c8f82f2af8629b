"""What a supervisor of several processes is made of."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

import pytest

from sockio.cli import main
from sockio.cli.again import folder_again, started_by
from sockio.cli.child import how_it_ended
from sockio.cli.listening import cannot_listen, listeners
from sockio.cli.meeting import Meeting
from sockio.cli.notify import notify
from sockio.cli.pauses import LONGEST, STEADY, Pauses
from sockio.cli.problem import Problem

# ---- listening


@pytest.mark.parametrize("balanced", [True, False])
def test_one_address_for_all(balanced: bool) -> None:
    made = listeners("127.0.0.1", 0, 3, balanced=balanced)
    try:
        assert len({each.getsockname() for each in made}) == 1
        assert len({each.fileno() for each in made}) == (3 if balanced else 1)
        # Nobody comes to one that has no process yet.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(made[0].getsockname()).close()
        made[2].listen()
        socket.create_connection(made[0].getsockname()).close()
    finally:
        for each in made:
            each.close()


def test_an_ipv6_address() -> None:
    try:
        made = listeners("::1", 0, 2)
    except Problem:
        pytest.skip("there is no IPv6 here")
    assert {each.family for each in made} == {socket.AF_INET6}
    for each in made:
        each.close()


@pytest.mark.parametrize("count", [1, 2])
def test_a_port_that_somebody_listens_on(count: int) -> None:
    (first,) = listeners("127.0.0.1", 0, 1)
    with first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(Problem, match=f"cannot listen on 127.0.0.1:{port}: Address already"):
            listeners("127.0.0.1", port, count)


def test_a_port_that_other_workers_listen_on() -> None:
    made = listeners("127.0.0.1", 0, 2)
    made[0].listen()
    with pytest.raises(Problem, match="Address already in use"):
        listeners("127.0.0.1", made[0].getsockname()[1], 2)
    for each in made:
        each.close()


def test_ports_of_the_system() -> None:
    problem = cannot_listen("127.0.0.1", 80, OSError(errno.EACCES, "Permission denied"))
    assert "Ports below 1024 are the system's" in str(problem)


# ---- how often


def test_the_pauses_grow_and_end_behind_one_that_was_steady() -> None:
    pauses = Pauses()
    assert [pauses.next(0.0) for _ in range(8)] == [0, 0.5, 1, 2, 4, 8, LONGEST, LONGEST]
    assert [pauses.next(STEADY), pauses.next(STEADY - 1)] == [0, 0.5]


# ---- where they meet


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("SOCKIO_MESH", raising=False)
    return tmp_path


def test_the_place_is_the_same_each_time_and_goes_with_the_last_worker(base: Path) -> None:
    meeting = Meeting("127.0.0.1", 8080)
    path = Path(meeting.path)
    assert path.parent == base
    assert path.stat().st_mode & 0o777 == 0o700
    assert Meeting("127.0.0.1", 8080).path == str(path)
    assert Meeting("127.0.0.1", 8081).path != str(path)
    somebody = path / "abcd"
    somebody.touch()
    meeting.end()
    assert path.exists()
    somebody.unlink()
    meeting.end()
    assert not path.exists()


def test_another_place_by_the_environment(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCKIO_MESH", str(base / "mine"))
    meeting = Meeting("127.0.0.1", 8080)
    assert meeting.path == str(base / "mine")
    meeting.end()
    assert (base / "mine").is_dir()


def test_no_place_at_all(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCKIO_MESH", "off")
    Meeting("127.0.0.1", 8080).end()
    assert list(base.iterdir()) == []


def test_a_place_that_others_may_look_into(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base.chmod(0o755)
    monkeypatch.setenv("SOCKIO_MESH", str(base))
    with pytest.raises(Problem, match=r"others may look into it.*Name one by SOCKIO_MESH=/path"):
        Meeting("127.0.0.1", 8080)


# ---- how they are started


def test_a_command_is_run_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["python3", "-X", "dev", "/bin/sockio", "serve", "app:app"]
    monkeypatch.setattr(sys, "orig_argv", words)
    assert started_by(["serve", "app:app"]) == [sys.executable, "-X", "dev", "/bin/sockio"]


def test_a_command_that_a_program_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python3", "program.py"])
    assert started_by(["serve", "app:app"]) == [sys.executable, "-m", "sockio.cli"]


def test_the_folder_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path / "link"))
    assert folder_again() == str(tmp_path / "link")
    # Somebody has changed the directory, and not the variable.
    monkeypatch.setenv("PWD", "/")
    assert folder_again() is None
    monkeypatch.setenv("PWD", str(tmp_path / "none"))
    assert folder_again() is None


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0, "ended with status 0"),
        (3, "ended with status 3"),
        (-9, "was ended by SIGKILL"),
        (-200, "was ended by signal 200"),
    ],
)
def test_how_one_ended(status: int, said: str) -> None:
    assert how_it_ended(status) == said


# ---- what is told


@pytest.mark.parametrize("name", ["socket", "@abstract"])
def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    unique = f"@sockio-{os.getpid()}-{tmp_path.name}"
    path = unique if name[0] == "@" else str(tmp_path / name)
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    notify("READY=1")  # nobody listens
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path.replace("@", "\0"))
        notify("READY=1", "STATUS=well")
        assert systemd.recv(100) == b"READY=1\nSTATUS=well"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--workers", "0"], "'0' is no number from 1 to 512", id="none"),
        pytest.param(["--workers", "many"], "'many' is no number", id="a word"),
        pytest.param(["--workers", "2", "--reload"], "leave out --workers", id="reloading"),
        pytest.param(["--workers", "2", "--host", "no host"], "no such address", id="no address"),
        pytest.param(
            ["--workers", "2", "--host", "192.0.2.1"], "--host names an address", id="elsewhere"
        ),
    ],
)
def test_what_cannot_be(
    options: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["serve", "app:app", "--port", "0", *options])
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 2
    assert message in capfd.readouterr().err
