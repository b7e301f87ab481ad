"""What a gateway's link leaves in a home (images/notebook), with the real git and a repository served over http."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git_server import serve_repository
from tests.unit.images.test_hub_notebook import FILES


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the repository `waves.git`, in git's plain form for web servers."""
    top = tmp_path_factory.mktemp("served")
    (top / "json.git").symlink_to("waves.git")
    with serve_repository(top, "127.0.0.1", "notebook.ipynb", "{}") as url:
        yield url


def launch(home: Path, urls: str = "", data: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(FILES), "HUB_GIT_URLS": urls, "HUB_DATA_PATHS": data}
    return subprocess.run([sys.executable, "-P", "-m", "hub_clone"], env=environment, capture_output=True, text=True, timeout=120, check=False)


def log(home: Path) -> str:
    return (home / "gateway-launch.log").read_text()


def test_a_repository_is_cloned_once(tmp_path: Path, repositories: str) -> None:
    url = f"{repositories}/waves.git"
    assert launch(tmp_path, url).returncode == 0
    notebook = tmp_path / "waves" / "notebook.ipynb"
    assert notebook.read_text() == "{}"
    assert f"{url}: cloning into ~/waves" in log(tmp_path)
    assert f"{url}: done" in log(tmp_path)
    notebook.write_text("mine")
    assert launch(tmp_path, url).returncode == 0
    assert notebook.read_text() == "mine"
    assert "~/waves is there already, left as it is" in log(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gateway-launch.log", "waves"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_nothing_that_is_there_is_touched(tmp_path: Path, repositories: str, kind: str) -> None:
    place = tmp_path / "waves"
    if kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to("/nowhere")  # not followed, though what it names is missing
    assert launch(tmp_path, f"{repositories}/waves.git").returncode == 0
    assert place.is_symlink() if kind == "link" else place.read_text() == "mine"


def test_a_repository_that_cannot_be_had_is_said_and_the_others_are_cloned(tmp_path: Path, repositories: str) -> None:
    done = launch(tmp_path, f"{repositories}/missing.git {repositories}/waves.git")
    assert done.returncode == 1
    assert f"{repositories}/missing.git: git ended with 128" in log(tmp_path)
    assert log(tmp_path) == done.stdout, "the pod's log has the same lines"
    assert (tmp_path / "waves").is_dir()
    assert not list(tmp_path.glob(".gateway-clone-*"))


def test_a_repository_does_not_take_the_place_of_a_package(tmp_path: Path, repositories: str) -> None:
    """A folder `json` in the home would be what `import json` finds in a notebook beside it."""
    for _start in range(2):
        assert launch(tmp_path, f"{repositories}/json.git").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gateway-launch.log", "json-repository"]


def test_only_http_is_spoken(tmp_path: Path, repositories: str) -> None:
    """The hub checks addresses; should one slip through, git still refuses."""
    served = f"file://{tmp_path}"
    assert launch(tmp_path, f"{served}/waves.git ext::true%20x").returncode == 2
    assert "not allowed" in log(tmp_path)


def test_a_home_without_room_for_a_log_does_not_stop_the_clone(tmp_path: Path, repositories: str) -> None:
    (tmp_path / "gateway-launch.log").mkdir()
    done = launch(tmp_path, f"{repositories}/waves.git")
    assert done.returncode == 0
    assert "done" in done.stdout


def test_data_is_shown_in_the_home(tmp_path: Path) -> None:
    (tmp_path / "data-mine").write_text("mine")
    assert launch(tmp_path, data="/data/sea-ice /data/cybershuttle/mine").returncode == 0
    assert os.readlink(tmp_path / "data-sea-ice") == "/data/sea-ice"
    assert (tmp_path / "data-mine").read_text() == "mine"
    assert launch(tmp_path, data="/data/sea-ice").returncode == 0


def test_the_server_starts_it_only_when_a_link_asked() -> None:
    code = "import hub_notebook, os, sys; made = hub_notebook.start_launch(); print(made and made.wait())"
    for environment, printed in (({}, "None"), ({"HUB_DATA_PATHS": ""}, "None"), ({"HUB_GIT_URLS": "ext::true"}, "1")):
        whole = {"PATH": os.environ["PATH"], "PYTHONPATH": str(FILES), "HOME": "/nowhere", **environment}
        done = subprocess.run([sys.executable, "-c", code], env=whole, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.split()[-1] == printed, done.stdout + done.stderr
