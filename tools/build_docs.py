"""Build the reference of modules and roles as HTML into .cache/docs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
OUT = TOP / ".cache" / "docs"


def main() -> None:
    binaries = Path(sys.executable).parent
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    subprocess.run([binaries / "antsibull-docs", "sphinx-init", "--use-current", "--dest-dir", OUT, "airavata.jupyterhub"], cwd=TOP, check=True)
    subprocess.run(
        [
            binaries / "antsibull-docs",
            "--config-file",
            OUT / "antsibull-docs.cfg",
            "collection",
            "--use-current",
            "--dest-dir",
            OUT / "rst",
            "airavata.jupyterhub",
        ],
        cwd=TOP,
        check=True,
    )
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-b", "html", OUT / "rst", OUT / "html", "-c", OUT], cwd=TOP, check=True)
    print(f"open {OUT / 'html' / 'index.html'}")


if __name__ == "__main__":
    main()
