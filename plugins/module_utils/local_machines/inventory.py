# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory of a local site on the deploy host: everything that is there because of it. After a destroy each list must be empty."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import network, process
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Site

KINDS = ("processes", "namespaces", "interfaces", "mounts", "files", "memory_files")
FILE_LIMIT = 200


def take(site: Site, uid: int, proc: Path = process.PROC, shared_memory: Path = Path("/dev/shm")) -> dict[str, list[str]]:  # noqa: S108
    """Look for everything of a site, by what it is and not by what was written down about it. Gives lists by kind (KINDS).

    ``uid`` is the machines' user. Their memory lives in private mounts, so any file of that user in the common tmpfs is a leftover.
    """
    return {
        "processes": processes(site, proc),
        "namespaces": [site.namespace] if (network.NAMESPACES / site.namespace).exists() else [],
        "interfaces": [path.name for path in Path("/sys/class/net").iterdir() if path.name == site.host_interface],
        "mounts": mounts(site, (proc / "self" / "mountinfo").read_text(encoding="utf-8")),
        "files": files(site.state_dir),
        "memory_files": sorted(str(path) for path in shared_memory.iterdir() if _owner(path) == uid) if shared_memory.is_dir() else [],
    }


def belongs(site: Site, command: str, mark: str, same_namespace: bool) -> bool:
    """Decide whether a process is of the site: it lives in its network namespace, was started for it, or names its folder."""
    folder = str(site.state_dir)
    return same_namespace or mark == folder or f"{folder}/" in command or command.endswith(folder) or f"{folder} " in command


def processes(site: Site, proc: Path = process.PROC) -> list[str]:
    """Give "pid command" of every process of the site, this program and its parents left out."""
    ours = process.ancestors(os.getpid(), proc)
    namespace = _namespace_inode(site)
    found = []
    for stat in process.processes(proc):
        if stat.pid in ours or (stat.parent in ours and _same_program(stat.pid, os.getpid(), proc)):
            continue
        command = process.command_of(stat.pid, proc)
        same = namespace is not None and _network_of(stat.pid, proc) == namespace
        if belongs(site, command, process.mark_of(stat.pid, proc), same):
            found.append(f"{stat.pid} {command[:120] or '(no command line)'}")
    return found


def ours(site: Site, proc: Path = process.PROC) -> list[int]:
    """Give the pids of what certainly is the site's own: started for it, living in its namespace, or a shared SSH connection to its machines."""
    mine = process.ancestors(os.getpid(), proc)
    namespace = _namespace_inode(site)
    sockets = f"ssh: {site.run_dir}/ssh-"
    return [
        stat.pid
        for stat in process.processes(proc)
        if stat.pid not in mine
        and (
            (namespace is not None and _network_of(stat.pid, proc) == namespace)
            or process.mark_of(stat.pid, proc) == str(site.state_dir)
            or process.command_of(stat.pid, proc).startswith(sockets)
        )
    ]


def mounts(site: Site, mountinfo: str) -> list[str]:
    """Give the mount points of the site: below its folder, or its namespace's handle."""
    points = [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines() if line.strip()]
    folder = str(site.state_dir)
    return sorted({point for point in points if point == folder or point.startswith(f"{folder}/") or point.endswith(f"/netns/{site.namespace}")})


def files(folder: Path) -> list[str]:
    """Give what is in the site's folder, at most FILE_LIMIT names, the folder itself included."""
    if not folder.exists() and not folder.is_symlink():
        return []
    names = [str(folder)]
    for parent, folders, plain in os.walk(folder):
        names += [str(Path(parent, name)) for name in folders + plain]
        if len(names) > FILE_LIMIT:
            return [*names[:FILE_LIMIT], "..."]
    return names


def summary(found: Mapping[str, Iterable[str]]) -> list[str]:
    """Give a small table: one line per kind with its count and the first few things."""
    lines = []
    for kind in KINDS:
        items = list(found.get(kind, []))
        lines.append(f"{kind.replace('_', ' '):<13} {len(items):>4}" + (f"  {'; '.join(items[:3])}" if items else ""))
    return lines


def _namespace_inode(site: Site) -> int | None:
    try:
        return (network.NAMESPACES / site.namespace).stat().st_ino
    except OSError:
        return None


def _network_of(pid: int, proc: Path) -> int | None:
    with contextlib.suppress(OSError):
        return (proc / str(pid) / "ns" / "net").stat().st_ino
    return None


def _same_program(pid: int, other: int, proc: Path) -> bool:
    """Whether two processes run the same program with the same arguments: workers that Ansible forks beside us."""
    return process.command_of(pid, proc) == process.command_of(other, proc)


def _owner(path: Path) -> int | None:
    with contextlib.suppress(OSError):
        return path.lstat().st_uid
    return None
