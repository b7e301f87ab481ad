"""A secret file: written for its owner alone, never shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[4]
SECRET = "hunter2 and more"


def run(**arguments: Any) -> tuple[dict[str, Any], str]:
    """Run the module as Ansible does; returns its result and all it said."""
    check = arguments.pop("check", False)
    text = json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}})
    environment = {**os.environ, "PYTHONPATH": str(TOP / ".venv/collections")}
    program = (
        "from ansible.module_utils import basic; from ansible.module_utils.testing import patch_module_args; import json, sys\n"
        "from ansible_collections.airavata.jupyterhub.plugins.modules import secret_file\n"
        "with patch_module_args(json.loads(sys.argv[1])['ANSIBLE_MODULE_ARGS']): secret_file.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program, text], env=environment, capture_output=True, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr


def test_written_once_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "token"
    for changed in (True, False):
        result, said = run(path=str(path), content=SECRET)
        assert result["changed"] is changed
        assert SECRET not in said
    assert path.read_text() == SECRET
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("fault", ["content", "mode", "link"])
def test_put_right(tmp_path: Path, fault: str) -> None:
    path, other = tmp_path / "token", tmp_path / "other"
    other.write_text("other")
    if fault == "link":
        path.symlink_to(other)
    else:
        path.write_text("old" if fault == "content" else SECRET)
        path.chmod(0o644)
    assert run(path=str(path), content=SECRET)[0]["changed"]
    assert path.read_text() == SECRET
    assert not path.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert other.read_text() == "other"


def test_check_mode_and_absent(tmp_path: Path) -> None:
    path = tmp_path / "token"
    assert run(path=str(path), content=SECRET, check=True)[0]["changed"]
    assert not path.exists()
    path.write_text("x")
    assert run(path=str(path), state="absent", check=True)[0]["changed"]
    assert path.exists()
    assert run(path=str(path), state="absent")[0]["changed"]
    assert not path.exists()
    assert not run(path=str(path), state="absent")[0]["changed"]


def test_content_is_needed(tmp_path: Path) -> None:
    result = run(path=str(tmp_path / "token"))[0]
    assert result["failed"]
    assert "content" in result["msg"]
