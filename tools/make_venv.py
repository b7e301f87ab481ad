"""Make .venv: the Python packages of requirements-dev.txt, and this checkout as the collection airavata.jupyterhub.

Ansible finds collections by path, not by installation. The link .venv/collections/ansible_collections/airavata/jupyterhub
lets every role and module be called by its full name from the checkout, whatever folder it was cloned into.
"""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
VENV = TOP / ".venv"


def main() -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.exit(f"Python {sys.version.split()[0]} is not supported: use 3.11, 3.12 or 3.13 (make PYTHON=/path/to/python3.12 ...).")
    try:
        import ensurepip  # noqa: F401 - Debian splits it off; without it a venv has no pip
    except ModuleNotFoundError:
        sys.exit("This Python cannot make virtual environments. Run: apt-get install python3-venv")
    if not (VENV / "bin" / "pip").exists():
        venv.create(VENV, with_pip=True, clear=True)
    # pip takes a minute for what uv, which the bundle has too, does in ten seconds
    [uv] = re.findall(r"^  uv:\n(?:    .+\n)*?    version: (\S+)$", (TOP / "versions.yml").read_text(), re.MULTILINE)
    subprocess.run([VENV / "bin" / "pip", "install", "--quiet", f"uv=={uv}"], check=True)
    install = ["pip", "install", "--quiet", "--python", VENV / "bin" / "python", "--requirement", TOP / "requirements-dev.txt"]
    subprocess.run([VENV / "bin" / "uv", *install], check=True)
    link = VENV / "collections" / "ansible_collections" / "airavata" / "jupyterhub"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to("../../../..")
    (VENV / ".installed").touch()


if __name__ == "__main__":
    main()
