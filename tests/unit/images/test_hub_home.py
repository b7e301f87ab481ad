"""A full home (images/notebook): seen on real small file systems, and nothing of a start is written to it. Needs root, to mount them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.images.test_hub_notebook import FILES


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("hub_home", FILES / "hub_home.py")
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    monkeypatch.setattr(found, "PLACE", tmp_path / "place")
    return found


@pytest.fixture
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own, with the options of the test."""
    place = tmp_path / "home"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", request.param, "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


ROOMY, SMALL, FEW = "size=64m", "size=16m,nr_inodes=0", "size=64m,nr_inodes=100"


def fill(home: Path) -> None:
    """Write until nothing goes any more."""
    with pytest.raises(OSError, match="No space left"), (home / "big").open("wb", buffering=0) as stream:  # noqa: PT012  # one of many
        while True:
            stream.write(bytes(2**20))


def crowd(home: Path) -> None:
    """Make files until nothing goes any more."""
    with pytest.raises(OSError, match="No space left"):  # noqa: PT012  # one of many
        for number in range(1000):
            (home / str(number)).touch()


@pytest.mark.parametrize("home", [ROOMY, SMALL], indirect=True)
def test_a_home_with_room_changes_nothing(module: Any, home: Path) -> None:
    environment = {"HOME": str(home)}
    assert module.make_room(environment) == ""
    assert environment == {"HOME": str(home)}
    assert not module.PLACE.exists()


@pytest.mark.parametrize(("home", "filled", "said"), [(SMALL, fill, "GiB"), (FEW, crowd, "100 of 100 files")], indirect=["home"])
def test_a_full_home_is_told_and_left_alone(module: Any, home: Path, filled: Any, said: str) -> None:
    (home / ".jupyter/lab/user-settings").mkdir(parents=True)
    (home / ".jupyter/lab/user-settings/theme").write_text("dark")
    (home / ".ipython/profile_default/startup").mkdir(parents=True)
    (home / ".ipython/profile_default/startup/mine.py").write_text("x = 1")
    (home / ".ipython/profile_default/history.sqlite").write_text("long")
    filled(home)
    before = sorted(home.rglob("*"))
    environment = {"HOME": str(home), "JUPYTER_PATH": "/more"}
    message = module.make_room(environment)
    assert said in message
    assert "until you delete files" in message
    assert sorted(home.rglob("*")) == before
    place = module.PLACE
    assert environment == {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": f"{place}/config",
        "IPYTHONDIR": f"{place}/ipython",
        "XDG_CACHE_HOME": f"{place}/cache",
        "HISTFILE": f"{place}/bash_history",
        "JUPYTER_DATA_DIR": f"{place}/data",
        "JUPYTER_PATH": f"/more:{home}/.local/share/jupyter",
        "HUB_HOME_FULL": message,
    }
    assert (place / "config/lab/user-settings/theme").read_text() == "dark"
    assert (place / "ipython/profile_default/startup/mine.py").read_text() == "x = 1"
    assert not (place / "ipython/profile_default/history.sqlite").exists()


@pytest.mark.parametrize("home", [SMALL], indirect=True)
def test_trusted_notebooks_stay_trusted(module: Any, home: Path) -> None:
    (home / ".local/share/jupyter").mkdir(parents=True)
    (home / ".local/share/jupyter/notebook_secret").write_text("s")
    fill(home)
    environment = {"HOME": str(home)}
    assert module.make_room(environment)
    assert "JUPYTER_DATA_DIR" not in environment


@pytest.mark.parametrize("home", [SMALL], indirect=True)
def test_room_is_told_as_it_is_now(module: Any, home: Path) -> None:
    assert module.fullness(str(home)) == ""
    fill(home)
    assert "Your home is full" in module.fullness(str(home))
    (home / "big").unlink()
    assert module.fullness(str(home)) == ""


def test_a_home_that_cannot_be_asked_is_not_called_full(module: Any, tmp_path: Path) -> None:
    assert module.fullness(str(tmp_path / "absent")) == ""


@pytest.mark.parametrize(("said", "expected"), [("Your home is full: `x` $(id)", "Your home is full: `x` $(id)\n"), ("", "")])
def test_terminals_say_it(said: str, expected: str) -> None:
    script = FILES.parents[4] / "etc/profile.d/hub-home.sh"
    done = subprocess.run(["sh", "-c", f". {script}"], env={**os.environ, "HUB_HOME_FULL": said}, check=True, capture_output=True, text=True)
    assert (done.stderr, done.stdout) == (expected, "")
