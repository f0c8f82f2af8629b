"""Which distribution is ours, and whether the other one of that name is there, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from sockio.doctor.installed import examine_names, our_distribution


def install(folder: Path, name: str, entry_points: str = "") -> None:
    """What pip leaves of a distribution."""
    info = folder / f"{name}-0.15.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.15.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def test_the_other_project_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "sockio")
    monkeypatch.syspath_prepend(tmp_path)
    (finding,) = examine_names()
    assert (finding.code, finding.level) == ("other-sockio", "warning")
    assert "0.15.0" in finding.text
    assert "pip uninstall sockio" in finding.fix
    # By our name alone pip would look on PyPI, where it is nobody's yet.
    assert finding.fix.endswith("--no-deps .")


def test_a_checkout_by_its_former_name_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "sockio", "[console_scripts]\nsockio = sockio.cli:main\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(examine_names()) == []


def test_ours_is_found_by_its_command() -> None:
    ours = our_distribution()
    assert ours is not None
    assert any("websockets" in requirement for requirement in ours.requires or ())
