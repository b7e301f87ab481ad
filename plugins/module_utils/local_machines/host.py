# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the deploy host can carry a local site: what was measured, and pure checks that turn it into sentences."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import disks, network, process
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.disks import folder_of
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.drivers.base import Driver
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Machine, Site, spec_problems

GIB = 2**30


@dataclass(frozen=True)
class Host:
    """What was measured. ``running`` names machines that have their memory already, ``made`` those that have their disk."""

    root: bool
    namespaces: str
    memory_available_mib: int
    disk_free_gib: float
    running: frozenset[str] = frozenset()
    made: frozenset[str] = frozenset()
    lacking: tuple[str, ...] = ()
    overlaps: tuple[str, ...] = ()
    uid_owner: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def problems(site: Site, machines: Sequence[Machine], host: Host, *, root_disk_gib: float, uid: int) -> list[str]:
    """Give one sentence per reason why these machines cannot run here; none when they can."""
    found = spec_problems(site, machines)
    if not host.root:
        found.append("Local machines need root on the deploy host (namespaces, network interfaces, mounts): run it as root.")
    found += host.lacking
    if host.namespaces:
        found.append(f"The deploy host cannot make a network and mount namespace ({host.namespaces}): a container needs to be privileged for that.")
    found += host.overlaps
    if host.uid_owner:
        found.append(f"local_machines_uid is {uid}, which is the user '{host.uid_owner}' of this host; choose a number that nobody has.")
    new = [machine for machine in machines if machine.name not in host.running]
    memory = sum(machine.memory_mib for machine in new)
    if memory > host.memory_available_mib:
        shares = ", ".join(f"{machine.name} {machine.memory_mib}" for machine in new)
        found.append(
            f"The machines need {memory} MiB of memory ({shares}) and {host.memory_available_mib} MiB are available;"
            " free some, or lower local_machines_memory_mib in the inventory."
        )
    disk = root_disk_gib * sum(1 for machine in machines if machine.name not in host.made)
    if disk > host.disk_free_gib:
        found.append(
            f"The new machines need about {disk:g} GiB of disk under {site.state_dir} and {host.disk_free_gib:.1f} GiB are free;"
            " free some, or set hub_state_dir to a larger disk."
        )
    return found


def measure(site: Site, machines: Sequence[Machine], driver: Driver, uid: int) -> Host:
    """Measure the deploy host. Changes nothing that lasts."""
    root = os.geteuid() == 0
    lacking = driver.requirements()
    overlaps: list[str] = []
    if shutil.which("ip"):
        try:
            overlaps = network.host_overlaps(site)
        except (LocalError, ValueError):
            overlaps = []  # a malformed range is told by spec_problems
    running, made = set(), set()
    for machine in machines:
        folder = folder_of(site, machine.name)
        try:
            if process.alive(process.read_record(folder.record)):
                running.add(machine.name)
            if disks.definition_of(folder):
                made.add(machine.name)
        except PermissionError:
            break
    return Host(
        root=root,
        namespaces=_namespaces_problem() if root else "",
        memory_available_mib=memory_available_mib(Path("/proc/meminfo").read_text(encoding="ascii"), cgroup_room_mib()),
        disk_free_gib=shutil.disk_usage(_existing(site.state_dir)).free / GIB,
        running=frozenset(running),
        made=frozenset(made),
        lacking=tuple(lacking),
        overlaps=tuple(overlaps),
        uid_owner=_owner(uid),
    )


def memory_available_mib(meminfo: str, cgroup_room: int | None = None) -> int:
    """Read MemAvailable from /proc/meminfo, in MiB, bounded by what the control group still allows."""
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) // 1024
            return available if cgroup_room is None else min(available, cgroup_room)
    raise LocalError("/proc/meminfo has no MemAvailable line; this kernel is too old.")


def cgroup_room_mib(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Give how much memory our control group may still take, in MiB; None where it has no limit (or is not seen)."""
    for limit, used in (
        (root / "memory.max", root / "memory.current"),
        (root / "memory" / "memory.limit_in_bytes", root / "memory" / "memory.usage_in_bytes"),
    ):
        try:
            text = limit.read_text(encoding="ascii").strip()
            if text == "max" or int(text) >= 2**60:
                return None
            return max(0, (int(text) - int(used.read_text(encoding="ascii"))) // 2**20)
        except (OSError, ValueError):
            continue
    return None


def _namespaces_problem() -> str:
    """Try what the machines need in namespaces that vanish at once; '' when it works."""
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt && mount -t sysfs sysfs /mnt"], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no message"])[-1]


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _owner(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
