# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SSH as seen from the deploy host: does a machine greet, what is its key, does it take ours."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.process import write_atomic

PORT = 22


def greets(address: str, limit_seconds: float, port: int = PORT) -> bool:
    """Tell whether an SSH server sends its greeting within the limit."""
    try:
        with socket.create_connection((address, port), timeout=limit_seconds) as connection:
            connection.settimeout(limit_seconds)
            return connection.recv(64).startswith(b"SSH-")
    except OSError:
        return False


def host_keys(addresses: Iterable[str], limit_seconds: int = 10) -> dict[str, str]:
    """Ask machines for their ed25519 host keys. Gives the lines for known_hosts by address; silent machines are left out."""
    wanted = list(addresses)
    if not wanted:
        return {}
    run = subprocess.run(["ssh-keyscan", "-t", "ed25519", "-T", str(limit_seconds), *wanted], capture_output=True, text=True, check=False)
    return {line.split()[0]: line for line in run.stdout.splitlines() if re.match(r"[0-9a-f.:]+ ssh-ed25519 \S+$", line)}


def known(path: Path) -> dict[str, str]:
    """Read a known_hosts file of ours: lines by address."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {line.split()[0]: line for line in lines if line.strip()}


def merge_known(path: Path, *, add: dict[str, str], forget: Iterable[str] = ()) -> bool:
    """Change a known_hosts file: learn lines, forget addresses. Returns whether it changed."""
    before = known(path)
    after = {address: line for address, line in before.items() if address not in set(forget)} | add
    if after == before and path.exists():
        return False
    write_atomic(path, "".join(f"{after[address]}\n" for address in sorted(after)))
    return True


def options(private_key: Path, known_hosts: Path, limit_seconds: int) -> list[str]:
    """Give the options of an ssh that uses the site's key, trusts its machines only, asks nothing, and shares no connection."""
    return [
        *("-F", "none", "-i", str(private_key), "-o", f"UserKnownHostsFile={known_hosts}", "-o", "StrictHostKeyChecking=yes"),
        *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", f"ConnectTimeout={limit_seconds}", "-o", "ControlPath=none", "-o", "LogLevel=ERROR"),
    ]


def run(address: str, command: str, *, private_key: Path, known_hosts: Path, limit_seconds: int) -> tuple[int, str]:
    """Run a command as root on a machine. Returns (exit status, last line of its errors); 255 when ssh itself failed or the limit passed."""
    try:
        done = subprocess.run(
            ["ssh", *options(private_key, known_hosts, limit_seconds), f"root@{address}", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 255, f"no answer within {limit_seconds} s"
    lines = done.stderr.strip().splitlines()
    return done.returncode, lines[-1] if lines else ""


def drop_shared_connections(run_dir: Path, addresses: Iterable[str] | None = None) -> None:
    """End the shared connections that Ansible keeps open to machines (ControlPath RUN_DIR/ssh-ADDRESS): a new machine must not meet an old one's."""
    for path in sorted(run_dir.glob("ssh-*")) if run_dir.is_dir() else []:
        if addresses is not None and path.name.removeprefix("ssh-") not in set(addresses):
            continue
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(["ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "any"], capture_output=True, timeout=5, check=False)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
