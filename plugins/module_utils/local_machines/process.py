# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes that outlive the playbook: who they are, whether they still run, how to end them.

A process is known by pid, start time and the boot it belongs to. A pid alone says nothing: the kernel hands it out again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import keeper
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import MARK

PROC = Path("/proc")
TERMINAL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LOG_LIMIT_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Stat:
    """What /proc/PID/stat says: ``state`` is the kernel's letter, ``start_time`` counts clock ticks since boot."""

    pid: int
    state: str
    parent: int
    session: int
    start_time: int

    @property
    def zombie(self) -> bool:
        """Whether the process has ended and only waits to be collected."""
        return self.state in ("Z", "X")

    @property
    def frozen(self) -> bool:
        """Whether a signal or a debugger stopped it."""
        return self.state in ("T", "t")


@dataclass(frozen=True)
class Record:
    """A process we started, as its keeper wrote it down. ``fingerprint`` tells with which command, environment and files."""

    pid: int
    start_time: int
    boot_id: str
    started_at: float = 0.0
    fingerprint: str = ""


def parse_stat(text: str) -> Stat:
    """Read one /proc/PID/stat line. The command between parentheses may itself hold spaces and parentheses."""
    head, _paren, tail = text.rpartition(")")
    fields = tail.split()
    return Stat(pid=int(head.split("(", 1)[0]), state=fields[0], parent=int(fields[1]), session=int(fields[3]), start_time=int(fields[19]))


def stat_of(pid: int, proc: Path = PROC) -> Stat | None:
    """Look a process up; None when it does not exist."""
    try:
        return parse_stat((proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None


def boot_id(proc: Path = PROC) -> str:
    """Give the identity of the running boot of the deploy host."""
    return (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def read_record(path: Path) -> Record | None:
    """Read a record; None when there is none. A damaged one cannot happen by interruption (it is renamed into place), so it is an error."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            pid=int(data["pid"]),
            start_time=int(data["start_time"]),
            boot_id=str(data["boot_id"]),
            started_at=float(data.get("started_at", 0)),
            fingerprint=str(data.get("fingerprint", "")),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise LocalError(f"{path} is damaged ({error}); look for the process by hand, end it, and delete the file.") from error


def alive(record: Record | None, proc: Path = PROC) -> Stat | None:
    """Give the live process of a record, or None: it ended, or its pid now belongs to somebody else, or the host was rebooted since."""
    if record is None or record.boot_id != boot_id(proc):
        return None
    stat = stat_of(record.pid, proc)
    if stat is None or stat.zombie or stat.start_time != record.start_time:
        return None
    return stat


def ending(exit_path: Path, record: Record, proc: Path = PROC) -> str:
    """Tell how the process of a record came to its end, as far as its keeper saw it: 'exit status 1', 'signal 9', ..."""
    if record.boot_id != boot_id(proc):
        return "the deploy host was rebooted"
    try:
        data = json.loads(exit_path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return "nobody saw its end"
    if data.get("pid") != record.pid:
        return "nobody saw its end"
    if data.get("signal"):
        return f"signal {data['signal']}"
    return f"exit status {data.get('status')}"


def launch(
    command: Sequence[str], *, environment: Mapping[str, str], state_dir: Path, record: Path, log: Path, fingerprint: str = "", keeper_dir: Path
) -> Record:
    """Start a program that outlives us, under a keeper that bounds its log and writes down how it ended.

    The environment (which may hold secrets) travels over a pipe, never over a command line or file. Returns the record; the program runs
    only after the record is on disk, so that an interruption at any moment leaves no unknown process.
    """
    source = keeper_dir / "keeper.py"
    text = keeper_source()
    if not source.exists() or source.read_text(encoding="utf-8") != text:
        write_atomic(source, text)
    order = {
        "command": list(command),
        "environment": {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", MARK: str(state_dir), **environment},
        "record": str(record),
        "log": str(log),
        "log_limit_bytes": LOG_LIMIT_BYTES,
        "fingerprint": fingerprint,
    }
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", str(source)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), MARK: str(state_dir)},
    )
    if child.stdin is None or child.stdout is None:
        raise LocalError("The keeper program has no pipes.")
    # Not communicate(), which waits for its end: the keeper answers one line and stays.
    child.stdin.write(json.dumps(order).encode())
    child.stdin.close()
    answer = child.stdout.readline().decode(errors="replace").strip()
    child.stdout.close()
    if answer != "started":
        raise LocalError(f"{command[0]} did not start: {answer or 'its keeper ended at once'}; see {log}.")
    found = read_record(record)
    if found is None:
        raise LocalError(f"{command[0]} was started but {record} is not there; another run seems to work on the same site.")
    return found


def keeper_source() -> str:
    """Give the text of the keeper program, also when this code was packed into a zip by Ansible."""
    loader = getattr(keeper, "__loader__", None)
    text = loader.get_source(keeper.__name__) if loader is not None else None
    if not text:
        raise LocalError("The source of the keeper program is missing from the collection; install it again.")
    return str(text)


def write_atomic(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file so that it is either the old or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def write_json(path: Path, data: Any) -> None:
    """Write data as JSON, atomically, readable by root only."""
    write_atomic(path, json.dumps(data, indent=1, sort_keys=True) + "\n")


def end(record: Record | None, *, grace_seconds: float) -> bool:
    """End a recorded process with everything in its session: SIGTERM, after ``grace_seconds`` SIGKILL. Returns whether it ran."""
    stat = alive(record)
    if record is None or stat is None:
        return False
    parent = stat_of(stat.parent)
    if grace_seconds > 0:
        kill_session(stat, signal.SIGTERM)
        # A stopped process takes SIGTERM only after SIGCONT.
        kill_session(stat, signal.SIGCONT)
    if grace_seconds <= 0 or not wait_gone(record, grace_seconds):
        kill_session(stat, signal.SIGKILL)
        if not wait_gone(record, 10):
            raise LocalError(f"Process {record.pid} does not end even on SIGKILL; look at /proc/{record.pid}/stack on the deploy host.")
    if parent and "keeper.py" in command_of(parent.pid):
        # It writes how the process ended: nobody may delete the folder under its hands.
        wait_gone(Record(parent.pid, parent.start_time, record.boot_id), 3)
    return True


def wait_gone(record: Record, limit_seconds: float) -> bool:
    """Wait until the process of a record has ended; False when the limit passed first."""
    deadline = time.monotonic() + limit_seconds
    while alive(record):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def kill_session(leader: Stat, number: int) -> None:
    """Send a signal to the leader of a session and to everything else in it."""
    members = [stat for stat in processes() if stat.session == leader.pid and stat.pid != leader.pid] if leader.session == leader.pid else []
    for stat in [leader, *members]:
        now = stat_of(stat.pid)
        if now and now.start_time == stat.start_time:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stat.pid, number)


def processes(proc: Path = PROC) -> Iterator[Stat]:
    """Go through all processes of the host; those that end meanwhile are left out."""
    for entry in proc.iterdir():
        if entry.name.isdigit():
            stat = stat_of(int(entry.name), proc)
            if stat and not stat.zombie:
                yield stat


def ancestors(pid: int, proc: Path = PROC) -> set[int]:
    """Give a process and its parents up to the first."""
    line: set[int] = set()
    while pid > 0 and pid not in line:
        line.add(pid)
        stat = stat_of(pid, proc)
        pid = stat.parent if stat else 0
    return line


def command_of(pid: int, proc: Path = PROC) -> str:
    """Give the command line of a process, words joined by spaces, or '' when it is gone."""
    try:
        return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def mark_of(pid: int, proc: Path = PROC) -> str:
    """Give the state folder that a process was started for, from its environment, or ''."""
    try:
        environment = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return ""
    for item in environment.split(b"\0"):
        name, _equals, value = item.partition(b"=")
        if name == MARK.encode():
            return value.decode(errors="replace")
    return ""


def last_lines(path: Path, count: int = 5) -> str:
    """Give the last lines of a log for an error message, or a remark that there are none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 8192))
            text = TERMINAL_SEQUENCE.sub("", stream.read().decode(errors="replace"))
        lines = [line.strip() for line in text.splitlines() if line.strip()]
    except FileNotFoundError:
        lines = []
    return " | ".join(lines[-count:]) if lines else "(its log is empty)"


def as_dict(record: Record | None) -> dict[str, Any] | None:
    """Give a record as plain data for a module's answer."""
    return asdict(record) if record else None
