# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a local site consists of, and the names that follow from its own: plain data, no side effects."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError

INTERFACE_NAME_LIMIT = 15  # IFNAMSIZ without its NUL
# The environment of everything we start carries the site's state folder under this name, so that it is found without any pid file.
MARK = "AIRAVATA_JUPYTERHUB_STATE_DIR"
SITE_NAME = re.compile(r"[a-z][a-z0-9-]{0,7}")
MACHINE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Machine:
    """One machine. ``memory_mib`` is its memory, ``data_disk_gib`` the size of its second disk (0: none)."""

    name: str
    address: str = ""
    memory_mib: int = 0
    data_disk_gib: int = 0

    @property
    def tap(self) -> str:
        """Name of the machine's network interface on the deploy host, inside the site's namespace."""
        plain = f"tap-{self.name}"
        if len(plain) <= INTERFACE_NAME_LIMIT:
            return plain
        return "tap-" + hashlib.sha256(self.name.encode()).hexdigest()[: INTERFACE_NAME_LIMIT - 4]


@dataclass(frozen=True)
class Site:
    """A local site: ``name``, the folder with everything it keeps, and the network ``cidr`` with the deploy host's ``gateway`` address in it."""

    name: str
    state_dir: Path
    cidr: str = ""
    gateway: str = ""

    @property
    def namespace(self) -> str:
        """Name of the network namespace."""
        return f"hub-{self.name}"

    @property
    def host_interface(self) -> str:
        """Name of the interface that joins the deploy host to the machines."""
        return f"hub-{self.name}0"

    @property
    def run_dir(self) -> Path:
        """Folder of the records of running services."""
        return self.state_dir / "run"

    @property
    def log_dir(self) -> Path:
        """Folder of the services' logs."""
        return self.state_dir / "log"

    @property
    def machines_dir(self) -> Path:
        """Folder with one folder per machine."""
        return self.state_dir / "machines"

    @property
    def prefix_length(self) -> int:
        """Prefix length of the network."""
        return ipaddress.ip_network(self.cidr).prefixlen

    @property
    def netmask(self) -> str:
        """Network mask in dotted form, as the kernel's ``ip=`` argument wants it."""
        return str(ipaddress.ip_network(self.cidr).netmask)

    def mac(self, machine: str) -> str:
        """Give the hardware address of a machine: locally administered, stable for this site and name."""
        digest = hashlib.sha256(f"{self.name}/{machine}".encode()).hexdigest()
        return "02:" + ":".join(digest[i : i + 2] for i in range(0, 10, 2))


def machines_from(items: Iterable[Mapping[str, Any]]) -> list[Machine]:
    """Turn module parameters (``name``, ``address``, ``memory_mib``, ``data_disk_gib``) into machines; missing ones are empty or 0."""
    return [
        Machine(
            name=item["name"],
            address=item.get("address") or "",
            memory_mib=item.get("memory_mib") or 0,
            data_disk_gib=item.get("data_disk_gib") or 0,
        )
        for item in items
    ]


def spec_problems(site: Site, machines: Iterable[Machine], minimum_memory_mib: int = 256) -> list[str]:
    """Check a site's data. Returns one sentence per problem: bad names, addresses outside the network or used twice, too little memory."""
    problems = []
    if not SITE_NAME.fullmatch(site.name):
        problems.append(f"hub_site is '{site.name}'; it must be 1 to 8 lower-case letters, digits or dashes and begin with a letter.")
    if not site.state_dir.is_absolute() or len(site.state_dir.parts) < 3:
        problems.append(f"hub_state_dir is '{site.state_dir}'; it must be an absolute path at least two folders deep, for it is deleted with the site.")
    try:
        network = ipaddress.ip_network(site.cidr)
    except ValueError as error:
        return [*problems, f"hub_network_cidr is '{site.cidr}': {error}."]
    taken: dict[str, str] = {}
    for label, owner, address in [
        ("hub_deploy_address", "the deploy host", site.gateway),
        *((f"ansible_host of '{m.name}'", f"'{m.name}'", m.address) for m in machines),
    ]:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            problems.append(f"{label} is '{address}', which is not an IP address; write one of {site.cidr}.")
            continue
        if parsed not in network or parsed in (network.network_address, network.broadcast_address):
            problems.append(f"{label} is {address}, which is not a host address of hub_network_cidr {site.cidr}.")
        if address in taken:
            problems.append(f"{label} is {address}, which {taken[address]} has already.")
        taken.setdefault(address, owner)
    taps: dict[str, str] = {}
    for machine in machines:
        if not MACHINE_NAME.fullmatch(machine.name):
            problems.append(f"The machine name '{machine.name}' is no host name: use lower-case letters, digits and dashes.")
        if machine.memory_mib < minimum_memory_mib:
            problems.append(f"local_machines_memory_mib of '{machine.name}' is {machine.memory_mib}; a machine needs at least {minimum_memory_mib}.")
        if machine.data_disk_gib < 0:
            problems.append(f"local_machines_data_disk_gib of '{machine.name}' is {machine.data_disk_gib}; it cannot be negative.")
        if machine.tap in taps:
            problems.append(f"The machine name '{machine.name}' appears twice.")
        taps[machine.tap] = machine.name
    return problems


def require(site: Site, machines: Iterable[Machine]) -> None:
    """Raise LocalError with all sentences of spec_problems, if there are any."""
    problems = spec_problems(site, list(machines))
    if problems:
        raise LocalError(" ".join(problems))
