"""The hub's own environment, made from the lock file of its image, to run what runs from that image as it is there."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
HUB_FILES = TOP / "roles" / "jupyterhub" / "files"
NAMES_FILE = TOP / "plugins" / "module_utils" / "user_space" / "names.py"  # is `user_space_names.py` in the hub's pod


def make_hub_python() -> Path:
    """Return the Python of a virtual environment with what images/hub/requirements.txt names (20-40 s the first time, then kept in .cache)."""
    lock = TOP / "images" / "hub" / "requirements.txt"
    name = f"hub-{sys.version_info.major}.{sys.version_info.minor}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    folder = TOP / ".cache" / "venvs" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        done = folder / "complete"
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([folder / "bin" / "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", lock], check=True)
            done.touch()
    return folder / "bin" / "python"
