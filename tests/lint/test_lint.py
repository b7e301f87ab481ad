"""Every linter, each with the command to type. `make lint` runs these alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
COMMANDS = {
    "ruff": "ruff check .",
    "ruff format": "ruff format --check .",
    "yamllint": "yamllint --strict .",
    "mypy": "python tools/check_types.py",
    "ansible-lint": "ansible-lint --offline",
    "ansible-test sanity": "python tools/run_sanity.py",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_to_say(name: str) -> None:
    program, *arguments = COMMANDS[name].split()
    places = TOP / ".venv" / "bin"
    # ansible-lint installs what it looks at; what another checkout installed must not be found
    home = {"ANSIBLE_HOME": str(TOP / ".cache" / "ansible")} if name == "ansible-lint" else {}
    environment = {**os.environ, "PATH": f"{places}:{os.environ['PATH']}", "NO_COLOR": "1", **home}
    done = subprocess.run([places / program, *arguments], cwd=TOP, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f".venv/bin/{COMMANDS[name]} ended with {done.returncode}:\n{done.stdout[-8000:]}"
