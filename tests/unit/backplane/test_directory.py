"""The directory in which the workers of a host find each other."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sockio.backplane.mesh.directory import (
    Directory,
    announce,
    directory_for,
    is_boot_id,
    somebody_comes,
)
from sockio.exceptions import SettingsError


@pytest.fixture
def place() -> Iterator[Path]:
    # The path of a socket is short.
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_it_is_made_for_its_user_alone(place: Path) -> None:
    directory = Directory(place / "m")
    assert stat.S_IMODE(os.stat(place / "m").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(place / "m" / "key").st_mode) == 0o600
    assert len(directory.key) == 32
    # The same for whoever comes later.
    assert Directory(place / "m").key == directory.key
    assert os.listdir(place / "m") == ["key"]


def test_a_directory_of_others_or_none_is_refused(place: Path) -> None:
    open_to_all, file = place / "open", place / "file"
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    file.touch()
    link = place / "link"
    link.symlink_to(place)
    for path, why in (
        (open_to_all, "others may look into it"),
        (file, "no directory"),
        (link, "no directory"),
        (place / "none" / "m", "No such file"),
        (place / ("x" * 100), "bytes at most"),
    ):
        with pytest.raises(SettingsError, match=re.escape(f"mesh={str(path)!r}")) as caught:
            Directory(path)
        assert why in str(caught.value)


def test_a_key_half_written_is_made_anew(place: Path) -> None:
    (place / "m").mkdir(mode=0o700)
    (place / "m" / "key").write_bytes(b"half")
    assert len(Directory(place / "m").key) == 32


def test_names_of_the_living_and_the_dead(place: Path) -> None:
    directory = Directory(place / "m")
    one, sock = directory.listen()
    two, dead = directory.listen()
    assert is_boot_id(one)
    assert directory.names() == sorted([one, two])
    connected = directory.connect(one)
    assert connected is not None
    dead.close()
    assert directory.connect(two) is None
    # Nobody will find it again.
    assert directory.names() == [one]
    assert directory.connect("none") is None
    directory.forget(one)
    directory.forget(one)
    assert directory.names() == []
    connected.close()
    sock.close()


def test_it_is_named_by_user_and_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    here = directory_for([("0.0.0.0", 8000), ("::", 8000)])
    assert here == directory_for([("::", 8000), ("0.0.0.0", 8000)])
    assert here != directory_for([("0.0.0.0", 8001)])
    assert f"-{os.getuid()}-" in here.name
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        assert directory_for([("0.0.0.0", 8000)]).parent == Path(folder)
        # That is nothing for another user.
        assert directory_for([("0.0.0.0", 8000)], uid=12345).parent != Path(folder)


def test_who_begins_says_that_it_comes(place: Path) -> None:
    path = place / "m"
    assert not somebody_comes(str(path))
    announce(str(path))
    assert somebody_comes(str(path))
    directory = Directory(path)
    assert directory.names() == []
    # When it is there it does not come any more.
    _, sock = directory.listen()
    sock.close()
    assert not somebody_comes(str(path))


def test_who_has_ended_before_does_not_come(place: Path) -> None:
    path = Directory(place / "m").path
    for name in ("coming.x", "coming.999999999"):
        (path / name).touch()
    assert not somebody_comes(str(path))
    assert [each.name for each in path.iterdir()] == ["key"]
