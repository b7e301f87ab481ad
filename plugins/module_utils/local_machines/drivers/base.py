# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a way to run machines must offer. User-Mode Linux is one; `docs/decisions.md` plans QEMU with KVM as the second, with the same disk.

The common part (records, states, waiting, order) is in `machines.py`; a driver knows only its own kind of process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.disks import Folder
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Machine, Site


@dataclass(frozen=True)
class Hardware:
    """What a machine is started with: the kernel program, its base disk, the user it runs as, and the public key that may log in."""

    kernel: Path
    base: Path
    uid: int
    public_key: str


@dataclass(frozen=True)
class Command:
    """A program with its arguments and the environment it needs on top of the usual one."""

    argv: tuple[str, ...]
    environment: dict[str, str]


class Driver(Protocol):
    """One way to run machines."""

    name: str

    def requirements(self) -> list[str]:
        """Give one sentence for each thing that this host lacks."""

    def start(self, site: Site, machine: Machine, folder: Folder, hardware: Hardware) -> Command:
        """Give the command that is the machine while it runs. Its process must end when the machine is switched off."""

    def switch_off(self, site: Site, name: str, folder: Folder) -> bool:
        """Ask a machine that no longer answers on SSH to write its caches and halt. Returns whether it took the order."""

    def state(self, site: Site, name: str, folder: Folder) -> str:
        """Tell what a silent machine is busy with, in a few lines, or why nothing can be told."""
