"""The directory of a mesh: where the workers of one host find each other.

It belongs to one user, and nobody else may look into it (0700). In it are a listening Unix socket
of each worker, under the worker's *boot id* (four characters that no two have), and a key that all
share. To list it is to know who is there; a restart is a new name. What a dead worker left is
removed by whoever finds that nobody answers there. Those that begin may say that they are coming.
"""

from __future__ import annotations

import _socket
import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
import struct
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ...exceptions import SettingsError

__all__ = ["Directory", "announce", "directory_for", "is_boot_id", "peer_of", "somebody_comes"]

#: Bytes that the path of a Unix socket may have (sun_path of Linux is 108 with its end; macOS 104).
LONGEST = 103
KEY_BYTES = 32
#: What the file is called of a process that is about to join, before its number.
_COMING = "coming."
_BOOT = re.compile(r"[A-Za-z0-9_-]{4}", re.ASCII)
#: Connections that wait until a worker has the time to accept them.
BACKLOG = 512


def is_boot_id(text: str) -> bool:
    """Whether this can be a worker's boot id."""
    return _BOOT.fullmatch(text) is not None


def directory_for(addresses: Iterable[object], uid: int | None = None) -> Path:
    """The directory of those who listen at ``addresses`` (a host and a port, or the path of a
    socket, in any form that is the same for all of them), and run as the user ``uid``, by default
    as this process does: the same after a restart. It is not made here."""
    owner = os.getuid() if uid is None else uid
    named = "\n".join(sorted(str(each) for each in addresses))
    digest = hashlib.blake2s(named.encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    with contextlib.suppress(OSError):
        # That of the user who started it is nothing for workers that become another one.
        if runtime and os.stat(runtime).st_uid == owner and os.access(runtime, os.W_OK):
            return Path(runtime, f"sockio-{digest}")
    return Path(tempfile.gettempdir(), f"sockio-{owner}-{digest}")


def announce(path: str) -> None:
    """Say in a directory that this process is about to join. Raises ``SettingsError`` for one that
    cannot be used."""
    directory = Directory(path)
    with contextlib.suppress(OSError):
        (directory.path / f"{_COMING}{os.getpid()}").touch(0o600)


def somebody_comes(path: str) -> bool:
    """Whether another process has said so, and has not joined yet."""
    for file in Path(path).glob(f"{_COMING}*"):
        try:
            os.kill(int(file.name[len(_COMING) :]), 0)
        except (OSError, ValueError):
            # It has ended before.
            file.unlink(missing_ok=True)
        else:
            return True
    return False


class Directory:
    """One, which is made if it is not there. Raises ``SettingsError`` for one that cannot be used,
    or that others could look into."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if len(os.fsencode(self.path)) + 5 > LONGEST:
            raise SettingsError(
                f"mesh={str(path)!r}: the path of a directory with sockets in it has "
                f"{LONGEST - 5} bytes at most; take a shorter one, such as /run/user/1000/NAME."
            )
        try:
            with contextlib.suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
            self._check()
            self.key = self._get_key()
        except OSError as error:
            raise SettingsError(
                f"mesh={str(path)!r}: {error.strerror or error}. It is a directory that the "
                "workers' user can make, or one of that user's that nobody else may look into "
                "(mode 0700)."
            ) from error

    def _check(self) -> None:
        # A link would be followed by whoever comes next, to wherever it then leads.
        found = os.lstat(self.path)
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(20, "it is no directory")
        if found.st_uid != os.getuid():
            raise PermissionError(13, f"it belongs to another user ({found.st_uid})")
        if found.st_mode & 0o077:
            raise PermissionError(
                13, f"others may look into it (its mode is {stat.S_IMODE(found.st_mode):o})"
            )

    def _get_key(self) -> bytes:
        """The key, made by whoever comes first. Nobody reads it half written."""
        file = self.path / "key"
        for _ in range(3):
            with contextlib.suppress(FileNotFoundError):
                key = file.read_bytes()
                if len(key) == KEY_BYTES:
                    return key
                # Nobody of ours leaves such a one: the disk was full.
                file.unlink(missing_ok=True)
            new = self.path / f"key.{secrets.token_hex(8)}"
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(descriptor, secrets.token_bytes(KEY_BYTES))
                with contextlib.suppress(FileExistsError):
                    os.link(new, file)
            finally:
                os.close(descriptor)
                new.unlink(missing_ok=True)
        raise OSError(5, "its file 'key' cannot be made")

    def listen(self) -> tuple[str, _socket.socket]:
        """A new boot id, and the socket that listens under it, which does not block."""
        while True:
            boot = secrets.token_urlsafe(3)
            # Nobody sees it before it listens, and takes it for that of a dead one.
            hidden = self.path / f"{boot}~"
            sock = _unix_socket()
            try:
                sock.bind(os.fspath(hidden))
                sock.listen(BACKLOG)
                os.link(hidden, self.path / boot)
                (self.path / f"{_COMING}{os.getpid()}").unlink(missing_ok=True)
            except OSError as error:
                sock.close()
                if error.errno not in (errno.EADDRINUSE, errno.EEXIST):
                    raise
            else:
                return boot, sock
            finally:
                hidden.unlink(missing_ok=True)

    def connect(self, boot: str) -> _socket.socket | None:
        """A connection to the worker of that name; None where there is none. Does not block.

        Raises ``BlockingIOError`` for one that has not accepted others for long."""
        path = self.path / boot
        sock = _unix_socket()
        try:
            sock.connect(os.fspath(path))
        except BlockingIOError:
            sock.close()
            raise
        except OSError as error:
            sock.close()
            if isinstance(error, ConnectionRefusedError):
                # It is dead, and left this.
                self.forget(boot)
            return None
        return sock

    def forget(self, boot: str) -> None:
        """Remove what a worker listened at."""
        with contextlib.suppress(OSError):
            (self.path / boot).unlink()

    def names(self) -> list[str]:
        """The boot ids of those who listen, or did."""
        return sorted(each for each in os.listdir(self.path) if is_boot_id(each))


def _unix_socket() -> _socket.socket:
    # The kernel's own, whatever is patched.
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


def peer_of(sock: _socket.socket) -> tuple[int, int]:
    """The process at the other end of a Unix socket, and its user. Where the system does not tell:
    process 0, which may be any, of this user, as the directory lets in nobody else."""
    option: int | None = getattr(_socket, "SO_PEERCRED", None)
    if option is None:
        return 0, os.getuid()
    pid, uid, _ = struct.unpack("3i", sock.getsockopt(_socket.SOL_SOCKET, option, 12))
    return pid, uid
