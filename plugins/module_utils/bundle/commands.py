# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs other programs: output to the item's log, and no process left behind however we end.

Each program runs in a process namespace of its own that dies with its first process, and that first process dies with the thread that started it. So a
build that is killed at any moment leaves no compiler running, which a later build would have to share its folder with.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import CommandError, InterruptedBuildError

JAIL = ("setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--pid", "--kill-child=KILL", "--")
TAIL_LINES = 12


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """Give the last lines that are not empty."""
    return "\n".join([line.rstrip() for line in text.splitlines() if line.strip()][-lines:])


class Runner:
    """Runs the programs of one item."""

    def __init__(self, log: Path, environment: Mapping[str, str], stop: threading.Event) -> None:
        self.log = log
        self.environment = dict(environment)
        self._stop = stop

    def start(self, argv: Sequence[str], *, cwd: Path | None = None, more: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a program that runs beside us; :func:`end` ends it."""
        with open(self.log, "ab") as log:
            log.write(f"$ {shlex.join(argv)}\n".encode())
            log.flush()
            return subprocess.Popen(
                [*JAIL, *argv],
                cwd=cwd,
                env={**self.environment, **(more or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __call__(self, argv: Sequence[str], *, cwd: Path | None = None, more: Mapping[str, str] | None = None) -> None:
        """Run a program to its end. Raises :class:`CommandError` when it fails, :class:`InterruptedBuildError` when the build is stopped."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        process = self.start(argv, cwd=cwd, more=more)
        try:
            while True:
                try:
                    code = process.wait(timeout=0.3)
                    break
                except subprocess.TimeoutExpired:
                    if self._stop.is_set():
                        raise InterruptedBuildError("The build was stopped.") from None
        finally:
            end(process)
        if code != 0:
            with open(self.log, "rb") as log:
                log.seek(begin)
                text = log.read().decode(errors="replace")
            raise CommandError(f"'{' '.join(argv[:3])}' ended with code {code}.", tail(text.partition("\n")[2]))

    def read(self, argv: Sequence[str], *, cwd: Path | None = None, more: Mapping[str, str] | None = None) -> str:
        """Run a short program and give what it prints. Raises :class:`CommandError`."""
        with open(self.log, "ab") as log:
            log.write(f"$ {shlex.join(argv)}\n".encode())
            log.flush()
            done = subprocess.run([*JAIL, *argv], cwd=cwd, env={**self.environment, **(more or {})}, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            log.write(done.stderr)
        if self._stop.is_set():
            raise InterruptedBuildError("The build was stopped.")
        if done.returncode != 0:
            raise CommandError(f"'{' '.join(argv[:3])}' ended with code {done.returncode}.", tail(done.stderr.decode(errors="replace")))
        return done.stdout.decode()

    def note(self, text: str) -> None:
        """Write a line to the log."""
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"# {text}\n")


def end(process: subprocess.Popen[bytes], gently_seconds: float = 0.0) -> None:
    """End a program that :meth:`Runner.start` started, and everything it started."""
    if process.poll() is None and gently_seconds:
        # The jail's own process ignores the signal's cause; what matters is its child.
        for child in children(process.pid):
            os.kill(child, 15)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=gently_seconds)
    if process.poll() is None:
        process.kill()
    process.wait()


def children(pid: int) -> list[int]:
    """Give the processes that a process started."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(child) for child in text.split()]
