"""``sockio serve --workers``: several processes on one address, and who looks after them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest

from ..support.engine_client import EngineSession, EngineWire
from ..support.processes import STARTS, Process, free_port, running
from ..support.raw_http import Connection, get
from ..support.raw_websocket import CLOSE
from ..support.tls import make_certificate
from ..support.transcript import PATIENCE, eventually
from .contract import FOLDER, PYTHON

pytestmark = pytest.mark.e2e

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


@contextmanager
def serving(
    folder: Path, *options: str, app: str = "application", workers: int = 2, **environ: str
) -> Iterator[tuple[Process, int]]:
    """A supervisor and its workers, all of them accepting."""
    said = [PYTHON, "-m", "sockio.cli", "serve", f"where:{app}", "--port", "0"]
    said += ["--workers", str(workers), *options]
    with running(said, folder, XDG_RUNTIME_DIR=str(folder), **environ) as process:
        yield process, int(process.find(r"serving on https?://[^ ]*:(\d+) by", STARTS)[1])


def ends(folder: Path, app: str, *options: str) -> tuple[int, str]:
    """Exit status and output of a command that ends by itself."""
    said = ["serve", f"where:{app}", "--port", "0", *options]
    process = Process([PYTHON, "-m", "sockio.cli", *said], folder, XDG_RUNTIME_DIR=str(folder))
    try:
        return process.wait(), process.output
    finally:
        process.kill()


def pids(process: Process) -> dict[int, int]:
    """The process of each worker that accepted last."""
    said = re.findall(r"worker (\d+) \(pid (\d+)\) accepts", process.output)
    return {int(number): int(pid) for number, pid in said}


class Client(EngineWire):
    """A websocket in the global namespace, and in whose worker."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.join()
        self.worker, self.pid = self.where()

    def where(self) -> tuple[int, int]:
        self.say('421["where"]')
        found = re.fullmatch(r'431\["(\d+)",(\d+)\]', self.hear())
        assert found
        return int(found[1]), int(found[2])

    def is_told(self) -> int:
        """The code that it is closed with, behind what is queued."""
        while (frame := self.read_frame()).opcode != CLOSE:
            pass
        return frame.code


ClientOf = Callable[[int, int], Client]


@pytest.fixture
def client_of() -> Iterator[ClientOf]:
    """Makes a client, of a port, that the kernel has dealt to a worker."""
    with contextlib.ExitStack() as stack:

        def make(port: int, worker: int) -> Client:
            while True:
                client = stack.enter_context(Client(port))
                if client.worker == worker:
                    return client

        yield make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(FOLDER / "where.py", tmp_path)
    return tmp_path


# ---- one that serves on, whatever is done to it


class Systemd:
    """What a service tells."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "notify")
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(self.path)
        self._sock.settimeout(STARTS)

    def next(self) -> bytes:
        said: bytes = self._sock.recv(1000)
        return said

    def close(self) -> None:
        self._sock.close()


Running = tuple[Process, int, Systemd]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two workers."""
    folder = tmp_path_factory.mktemp("both")
    shutil.copy(FOLDER / "where.py", folder)
    with (
        contextlib.closing(Systemd(folder)) as systemd,
        serving(folder, "--graceful-timeout", "1", NOTIFY_SOCKET=systemd.path) as (process, port),
    ):
        assert systemd.next() == b"READY=1"
        yield process, port, systemd


def test_the_kernel_deals_connections_out_evenly(both: Running) -> None:
    process, port, _ = both
    found = Counter(tuple(get(port, "/").body.split()) for _ in range(200))
    assert {int(worker): int(pid) for worker, pid in found} == pids(process)
    # 100 each are to be expected, with a deviation of 7.
    assert min(found.values()) > 50


def test_what_a_worker_knows(both: Running) -> None:
    process, port, systemd = both
    meeting_place = Path(get(port, "/sockio_mesh").body)
    assert meeting_place.parent == Path(systemd.path).parent
    assert meeting_place.stat().st_mode & 0o777 == 0o700
    assert get(port, "/multiprocess").body == "True"
    assert get(port, HANDSHAKE).code == 200
    assert "several processes" not in process.output
    # Nobody but the supervisor may speak for the service.
    assert get(port, "/notify_socket").body != systemd.path


def test_it_does_not_matter_who_gets_a_request(both: Running) -> None:
    _, port, _ = both
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            # Two connections, of which each may be dealt to either.
            polling = stack.enter_context(contextlib.closing(EngineSession(port, 4)))
            polling.post('421["where"]')
            assert polling.get()[0].startswith("431[")


def test_a_port_that_is_taken_is_not_shared(both: Running, folder: Path) -> None:
    _, port, _ = both
    status, output = ends(folder, "pages", "--port", str(port), "--workers", "2")
    assert status == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in output


def test_one_that_dies_comes_back_and_the_others_do_not_notice(
    both: Running, client_of: ClientOf
) -> None:
    process, port, _ = both
    before = pids(process)
    first, second = client_of(port, 1), client_of(port, 2)
    assert (first.pid, second.pid) == (before[1], before[2])
    os.kill(first.pid, signal.SIGKILL)
    with pytest.raises(EOFError):
        first.read_frame()
    # Whoever is dealt to it meanwhile waits for its successor.
    again = client_of(port, 1)
    died = r"worker 1 \(pid %d\) was ended by SIGKILL \[worker-died\]; another is started %s"
    process.find(died % (first.pid, "now"))
    assert again.pid != first.pid
    # The more often it does, the longer it is waited for.
    os.kill(again.pid, signal.SIGKILL)
    process.find(died % (again.pid, r"in 0\.5 s"))
    assert client_of(port, 1).pid not in (first.pid, again.pid)
    assert second.where() == (2, before[2])


@contextmanager
def hammering(port: int) -> Iterator[list[int]]:
    """Handshakes over new connections, four at a time; the status of each. None may be refused."""
    statuses: list[int] = []
    over = False

    def hammer() -> None:
        while not over:
            statuses.append(get(port, HANDSHAKE).code)

    hammers = [gevent.spawn(hammer) for _ in range(4)]
    try:
        yield statuses
    finally:
        over = True
        gevent.joinall(hammers, PATIENCE, raise_error=True)


def test_hup_replaces_one_after_the_other_and_nobody_is_refused(
    both: Running, client_of: ClientOf
) -> None:
    process, port, systemd = both
    before = pids(process)
    first = client_of(port, 1)
    events = len(re.findall(r"\[worker-\w+\]", process.output))
    with hammering(port) as statuses, contextlib.ExitStack() as stack:
        # They have connected, and say nothing yet.
        quiet = [stack.enter_context(Connection(port)) for _ in range(8)]
        process.send(signal.SIGHUP)
        assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", systemd.next())
        process.find(r"\[worker-leaves\]", STARTS)
        # By whom depends on who had the time to accept them; nobody is refused.
        assert [each.ask("GET", "/").code for each in quiet] == [200] * 8
        assert first.is_told() == 1001
        assert systemd.next() == b"READY=1"
        enough = len(statuses) + 20
        eventually(lambda: len(statuses) > enough, "some more are served")
    assert set(statuses) == {200}
    process.find(r"each worker was replaced \[rolled\]")
    assert not set(pids(process).values()) & set(before.values())
    # The second is not replaced before the first one's predecessor has ended.
    lines = re.findall(r"worker (\d) .*\[worker-(\w+)\]", process.output)
    assert lines[events:] == [
        (number, event) for number in ("1", "2") for event in ("up", "leaves", "ended")
    ]


# ---- the end


def test_the_end_is_told_to_every_client_and_requests_are_answered(
    folder: Path, client_of: ClientOf
) -> None:
    with serving(folder) as (process, port):
        clients = [client_of(port, 1), client_of(port, 2)]
        meeting_place = Path(get(port, "/sockio_mesh").body)
        with Connection(port) as page:
            page.request("GET", "/slow")
            # It is read before another connection of its worker is.
            for worker in 1, 2:
                client_of(port, worker)
            process.send(signal.SIGTERM)
            assert [each.is_told() for each in clients] == [1001, 1001]
            assert page.answer().code == 200
        assert process.wait() == 0
        assert process.output.count("[worker-ended]") == 2
        assert not meeting_place.exists()
        with pytest.raises(ConnectionRefusedError):
            Connection(port)


def test_a_second_signal_ends_it_at_once(folder: Path) -> None:
    options = ["--graceful-timeout", "100", "--head-timeout", "60"]
    with serving(folder, *options, app="pages", workers=1) as (process, port):
        with Connection(port) as page:
            page.request("GET", "/slow?100")
            process.find(r"asked to be slow")
            process.send(signal.SIGINT)
            process.find(r"SIGINT: all workers are told to end")
            process.send(signal.SIGINT)
            assert process.wait() == 1
        assert "SIGINT again" in process.output


def test_one_that_does_not_end_is_killed(folder: Path) -> None:
    # Beside what its clients have, which is nothing here.
    code = "import sys, sockio.cli, sockio.cli.supervisor as it; it.LAST_SECONDS = 0.1; "
    command = [PYTHON, "-c", code + "sys.exit(sockio.cli.main())", "serve", "where:pages"]
    command += ["--port", "0", "--workers", "1", "--graceful-timeout", "0"]
    with running(command, folder, XDG_RUNTIME_DIR=str(folder)) as process:
        process.find("serving on", STARTS)
        (pid,) = pids(process).values()
        os.kill(pid, signal.SIGSTOP)
        assert process.stop() == 0
        assert "[worker-killed]" in process.output


def test_workers_end_when_their_supervisor_is_gone(folder: Path, client_of: ClientOf) -> None:
    with serving(folder) as (process, port):
        clients = [client_of(port, 1), client_of(port, 2)]
        process.send(signal.SIGKILL)
        assert [each.is_told() for each in clients] == [1001, 1001]
        # They hold the pipe that is read here: it ends when they have.
        assert process.wait() == -signal.SIGKILL
        assert process.output.count("[supervisor-gone]") == 2
        with pytest.raises(ConnectionRefusedError):
            Connection(port)


# ---- what is wrong


def test_what_is_wrong_with_the_application_is_said_once(folder: Path) -> None:
    (folder / "broken").touch()
    status, output = ends(folder, "create('database')", "--workers", "4")
    assert status == 1
    assert output.count("LookupError: no database") == 1
    assert output.count("giving up [worker-failed]") == 1


def test_what_is_wrong_with_an_option_is_said_as_ever(folder: Path) -> None:
    status, output = ends(folder, "pages", "--workers", "4", "--ping-interval", "soon")
    assert status == 2
    assert output.count("ping_interval") == 1
    assert "Traceback" not in output


def test_an_application_that_broke_meanwhile_replaces_nobody(folder: Path) -> None:
    with serving(folder, app="create('database')", workers=1) as (process, port):
        before = pids(process)
        (folder / "broken").touch()
        process.send(signal.SIGHUP)
        process.find(
            r"ended with status 1 before it accepted.*none is replaced \[roll-stopped\]", STARTS
        )
        assert "LookupError: no database" in process.output
        assert get(port, "/").body == f"1 {before[1]}"


# ---- options


def test_each_option_is_that_of_every_worker(folder: Path) -> None:
    certificate = make_certificate(folder)
    policy = free_port()
    options = ["--certfile", str(certificate.certfile), "--keyfile", str(certificate.keyfile)]
    options += [
        "--access-log",
        "access.log",
        "--max-connections",
        "3",
        "--authorize",
        "where:nobody",
    ]
    options += ["--policy-server", "yes", "--policy-listener-port", str(policy)]
    options += ["--policy-domains", "example.com"]
    with serving(folder, *options, app="create('x')") as (process, port):
        context = certificate.client_context()
        found = {get(port, "/", tls=context).body for _ in range(30)}
        assert len(found) == 2
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", policy)) as sock:
                sock.sendall(b"<policy-file-request/>\0")
                assert sock.recv(10_000).startswith(b"<?xml")
        # Whose a line of the log is.
        for number, pid in pids(process).items():
            while f" {number}/{pid} WARNING " not in process.output:
                assert get(port, HANDSHAKE, tls=context).code == 403
                gevent.sleep(0)
        assert process.stop() == 0
    lines = (folder / "access.log").read_text().splitlines()
    assert len([line for line in lines if '"GET / HTTP/1.1" 200' in line]) == 30


def test_a_release_behind_a_link_is_the_next_one_after_hup(folder: Path) -> None:
    for name in "one", "two":
        (folder / name).mkdir()
        text = (FOLDER / "where.py").read_text("utf-8").replace('or f"{', f'or f"{name} {{')
        (folder / name / "where.py").write_text(text, "utf-8")
    current = folder / "current"
    current.symlink_to("one")
    with serving(current, workers=1, PWD=str(current)) as (process, port):
        assert get(port, "/").body.startswith("one ")
        current.unlink()
        current.symlink_to("two")
        process.send(signal.SIGHUP)
        process.find(r"\[rolled\]", STARTS)
        assert get(port, "/").body.startswith("two ")
