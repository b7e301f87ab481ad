"""A web server with a git repository in git's plain form, as any web server can give it."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAMES = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing of each request."""


def _git(folder: Path, *arguments: str) -> None:
    """Run git with nobody's settings. Raises CalledProcessError."""
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env={**os.environ, **_NAMES, "GIT_CONFIG_GLOBAL": "/dev/null"})


@contextmanager
def serve_repository(top: Path, address: str, file: str, text: str) -> Iterator[str]:
    """Serve the folder ``top`` at ``address``, with the repository ``waves.git`` that has one file; yields the server's URL."""
    work = top / "work"
    work.mkdir()
    _git(work, "init", "--quiet")
    (work / file).write_text(text)
    _git(work, "add", ".")
    _git(work, "commit", "--quiet", "-m", "one")
    _git(top, "clone", "--quiet", "--bare", str(work), "waves.git")
    _git(top / "waves.git", "update-server-info")
    with http.server.ThreadingHTTPServer((address, 0), functools.partial(_Quiet, directory=str(top))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{address}:{server.server_port}"
        server.shutdown()
