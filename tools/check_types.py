"""Run mypy on the collection's Python, under its full package name, and on each service by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
ROOT = TOP / ".venv" / "collections"


def check(folder: Path, paths: list[Path], *more: str) -> int:
    """Run mypy in ``folder`` on those of ``paths`` that exist; returns its exit code. Services may use what modules use, as top-level packages."""
    names = [str(path) for path in paths if path.exists()]
    print("mypy", *(os.path.relpath(name, TOP) for name in names), flush=True)
    command = [sys.executable, "-m", "mypy", "--config-file", TOP / "pyproject.toml", "--cache-dir", TOP / ".mypy_cache", *names]
    return subprocess.run(command, cwd=folder, env={**os.environ, "MYPYPATH": os.pathsep.join([str(folder), *more])}, check=False).returncode


def main() -> int:
    plugins = ROOT / "ansible_collections" / "airavata" / "jupyterhub" / "plugins"
    failed = check(ROOT, [plugins / name for name in ("module_utils", "modules", "filter", "action")])
    for package in sorted((TOP / "services").glob("*/*/__init__.py")):
        failed |= check(package.parents[1], [package.parent], str(TOP / "plugins" / "module_utils"))
    return failed


if __name__ == "__main__":
    sys.exit(main())
