"""Run ansible-test sanity on what git tracks, without a container engine and without a download site.

ansible-test insists on a folder named ansible_collections/<namespace>/<name> that is not a link, so the tracked files are copied to
one under .cache. It also fetches a get-pip script from outside the Python package index; a stand-in that uses ensurepip is put
where it looks for a cached copy.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
TREE = TOP / ".cache" / "sanity" / "ansible_collections" / "airavata" / "jupyterhub"
GET_PIP = '''"""Stand-in for get-pip: the pip that Python carries, then the packages that were asked for."""
import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True)
wanted = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", *wanted]).returncode)
'''


def main() -> int:
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TOP, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    if TREE.exists():
        shutil.rmtree(TREE)
    for name in filter(None, tracked):
        if (TOP / name).is_file():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, TREE / name)
    # ansible-test asks git what there is, and would otherwise ask this checkout, which ignores .cache.
    subprocess.run(["git", "init", "--quiet"], cwd=TREE, check=True)
    subprocess.run(["git", "add", "--all"], cwd=TREE, check=True)
    cache = Path.home() / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in ("24_2", "25_2"):  # ansible-core 2.19 and 2.21 each look for their own
        if not (cache / f"get_pip_{version}.py").exists():
            (cache / f"get_pip_{version}.py").write_text(GET_PIP)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [Path(sys.executable).parent / "ansible-test", "sanity", "--venv", "--python", python, "--color", "no", *sys.argv[1:]]
    return subprocess.run(command, cwd=TREE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
