# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Machines as User-Mode Linux: a kernel that is an ordinary program, without any hardware virtualisation.

Each runs as a user that owns nothing else, with no way to gain rights, in the site's network namespace and in a mount namespace of its own. There a
private tmpfs holds its memory and vanishes with the process; the disks are bound into it, so that the user needs no way through the site's folder,
and so that the paths a copy-on-write file remembers stay true wherever the site's folder is.
"""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path

from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import mconsole
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.disks import Folder
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.drivers.base import Command, Hardware
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Machine, Site

COMMAND_LINE_LIMIT = 4096  # of the kernel
PROGRAMS = {"ip": "iproute2", "setpriv": "util-linux", "mount": "mount", "ssh": "openssh-client", "ssh-keyscan": "openssh-client"}
MEMORY_RESERVE_MIB = 64  # tmpfs room beside the guest's memory
ROOM = "/mnt"  # every host has it; the private mount namespace covers it
# $1 size of the tmpfs in MiB, $2 folder of the machine, $3 base disk, $4 kernel, $5 user; the rest are the kernel's arguments.
ENTER = f"""
set -eu
room=$2/mnt
mount -t tmpfs -o "mode=0755,size=$1m" hub-machine "$room"
mkdir "$room/memory" "$room/disk" "$room/console"
chown "$5:$5" "$room/memory"
touch "$room/base" "$room/linux"
mknod -m 0600 "$room/tun" c 10 200
chown "$5:$5" "$room/tun"
mount --bind "$2/disk" "$room/disk"
mount --bind "$2/console" "$room/console"
mount --bind "$3" "$room/base"
mount -o remount,bind,ro "$room/base"
mount --bind "$4" "$room/linux"
mount -o remount,bind,ro "$room/linux"
mount --bind "$room/tun" /dev/net/tun
mount --rbind "$room" {ROOM}
cd {ROOM}
user=$5
shift 5
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --inh-caps=-all {ROOM}/linux "$@"
"""


def console_name(site: Site, name: str) -> str:
    """Give the name under which a machine's management console is found."""
    return f"{site.namespace}-{name}"


def kernel_arguments(site: Site, machine: Machine, public_key: str) -> list[str]:
    """Give the kernel's command line: hardware first, then the identity that systemd reads from it."""
    key = base64.b64encode(f"{public_key.strip()}\n".encode()).decode()
    arguments = [
        "seccomp=on",
        f"mem={machine.memory_mib}M",
        f"umid={console_name(site, machine.name)}",
        f"uml_dir={ROOM}/console/",
        f"ubda={ROOM}/disk/root.cow,{ROOM}/base",
        *([f"ubdb={ROOM}/disk/data.img"] if machine.data_disk_gib else []),
        "root=/dev/ubda",
        "rw",
        f"vec0:transport=tap,ifname={machine.tap},depth=128,gro=1,mac={site.mac(machine.name)}",
        "con0=null,fd:1",
        "con=null",
        "ssl=null",
        "net.ifnames=0",
        f"systemd.hostname={machine.name}",
        f"ip={machine.address}::{site.gateway}:{site.netmask}::vec0:off",
        f"systemd.set_credential_binary=ssh.authorized_keys.root:{key}",
    ]
    length = len(" ".join(arguments))
    if length >= COMMAND_LINE_LIMIT:
        raise ValueError(f"The kernel's command line of '{machine.name}' has {length} characters; the limit is {COMMAND_LINE_LIMIT}.")
    return arguments


class UserModeLinux:
    """The driver for User-Mode Linux."""

    name = "uml"

    def requirements(self) -> list[str]:
        """Give one sentence for each thing that this host lacks."""
        problems = [
            f"The program '{program}' is missing on the deploy host; install it (Debian package {package})."
            for program, package in PROGRAMS.items()
            if shutil.which(program) is None
        ]
        if os.uname().machine != "x86_64":
            problems.append(f"Local machines need an x86_64 deploy host; this is {os.uname().machine}.")
        if not Path("/dev/net/tun").exists():
            problems.append("The deploy host has no /dev/net/tun: load the kernel module 'tun' (modprobe tun), or give the container that device.")
        if "\ttmpfs\n" not in Path("/proc/filesystems").read_text(encoding="ascii"):
            problems.append("The deploy host's kernel has no tmpfs, which holds the machines' memory.")
        return problems

    def start(self, site: Site, machine: Machine, folder: Folder, hardware: Hardware) -> Command:
        """Give the command that is the machine while it runs."""
        return Command(
            argv=(
                *("ip", "netns", "exec", site.namespace, "sh", "-c", ENTER, "local-machine"),
                *(str(machine.memory_mib + MEMORY_RESERVE_MIB), str(folder.path), str(hardware.base), str(hardware.kernel), str(hardware.uid)),
                *kernel_arguments(site, machine, hardware.public_key),
            ),
            environment={"TMPDIR": f"{ROOM}/memory", "HOME": f"{ROOM}/memory"},
        )

    def switch_off(self, site: Site, name: str, folder: Folder) -> bool:
        """Write the caches out, make the disks read-only, halt."""
        socket = self._console(site, name, folder)
        for order in ("sysrq s", "sysrq u"):
            if not mconsole.ask(socket, order)[0]:
                return False
        return mconsole.ask(socket, "halt")[0]

    def state(self, site: Site, name: str, folder: Folder) -> str:
        """Give the kernel's list of blocked tasks."""
        answered, text = mconsole.ask(self._console(site, name, folder), "sysrq w")
        return text if answered else f"blocked tasks unknown: {text}"

    @staticmethod
    def _console(site: Site, name: str, folder: Folder) -> Path:
        return folder.console / console_name(site, name) / "mconsole"
