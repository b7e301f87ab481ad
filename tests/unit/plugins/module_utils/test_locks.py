"""The lock between runs, held for real."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.locks import LockedError, held


def test_one_at_a_time(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with held(path, 1), pytest.raises(LockedError, match=f"fuser -v {path}"), held(path, 0.3):
        pass
    with held(path, 1):
        pass


def test_a_program_that_outlives_its_module_keeps_the_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with held(path, 1) as lock:
        program = subprocess.Popen(["sleep", "60"], pass_fds=[lock])
    try:
        with pytest.raises(LockedError, match="still at work"), held(path, 0.3):
            pass
    finally:
        program.kill()
        program.wait()
    with held(path, 1):
        pass
