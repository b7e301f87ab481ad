# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a machine needs before it can carry pods: pure functions on the texts of /etc and /proc."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# What the roles were made for. Others may work; they are named in a warning, not refused.
KNOWN_SYSTEMS = {"debian": ("13",), "ubuntu": ("22.04", "24.04")}
HOSTS_BEGIN = "# BEGIN airavata.jupyterhub"
HOSTS_END = "# END airavata.jupyterhub"


def parse_os_release(text: str) -> dict[str, str]:
    """Parse /etc/os-release into a dict with unquoted values."""
    values = {}
    for line in text.splitlines():
        key, sign, value = line.partition("=")
        if sign and not key.startswith("#"):
            values[key.strip()] = value.strip().strip("\"'")
    return values


def installed_packages(status: str) -> set[str]:
    """Return the names of installed packages from ``dpkg-query -W -f '${Package} ${db:Status-Status} ${Provides}\\n'``.

    What an installed package provides counts as installed: names change between suites (a t64 suffix, split packages).
    """
    names: set[str] = set()
    for line in status.splitlines():
        package, _space, rest = line.partition(" ")
        state, _space, provides = rest.partition(" ")
        if state == "installed":
            names.add(package)
            names.update(part.strip().split(" ")[0].split(":")[0] for part in provides.split(",") if part.strip())
    return names


def node_problems(facts: Mapping[str, object]) -> list[str]:
    """Return one sentence for each thing that makes a machine unfit.

    ``facts`` has machine (as of uname), init (name of process 1), cgroup_v2, dpkg (bools) and python (list of two ints).
    """
    problems = []
    if facts["machine"] != "x86_64":
        problems.append(f"its processor is {facts['machine']}, and the bundle's programs are for x86_64")
    if facts["init"] != "systemd":
        problems.append(f"process 1 is {facts['init']}, and services are kept by systemd")
    if not facts["cgroup_v2"]:
        problems.append("it has no unified cgroup hierarchy (mount of cgroup2 on /sys/fs/cgroup), which this kubelet needs")
    if not facts["dpkg"]:
        problems.append("it has no dpkg; the roles are for Debian 13 and Ubuntu 22.04 and 24.04")
    return problems


def system_warning(release: Mapping[str, str]) -> str | None:
    """Return a sentence when the distribution is none the roles were made for, else None."""
    name, version = release.get("ID", "unknown"), release.get("VERSION_ID", "unknown")
    if version in KNOWN_SYSTEMS.get(name, ()):
        return None
    return f"{name} {version} is not among the systems these roles are tested on (Debian 13, Ubuntu 22.04 and 24.04)."


def without_swap(fstab: str) -> str:
    """Return the text of fstab with swap entries turned into comments; every other line is kept as it is."""
    lines = []
    for line in fstab.splitlines(keepends=True):
        fields = line.split()
        is_swap = len(fields) >= 3 and not fields[0].startswith("#") and fields[2] == "swap"
        lines.append(f"# off for the kubelet: {line}" if is_swap else line)
    return "".join(lines)


def active_swaps(proc_swaps: str) -> list[str]:
    """Return the devices and files in use, from the text of /proc/swaps."""
    return [line.split()[0] for line in proc_swaps.splitlines()[1:] if line.strip()]


def with_hosts(text: str, hosts: Mapping[str, str]) -> str:
    """Return the text of /etc/hosts with our block naming ``hosts`` (name to address); an empty mapping takes the block away."""
    pattern = re.compile(rf"^{re.escape(HOSTS_BEGIN)}$.*?^{re.escape(HOSTS_END)}$\n?", re.MULTILINE | re.DOTALL)
    rest = pattern.sub("", text)
    if not hosts:
        return rest
    if rest and not rest.endswith("\n"):
        rest += "\n"
    block = "".join(f"{address} {name}\n" for name, address in sorted(hosts.items()))
    return f"{rest}{HOSTS_BEGIN}\n{block}{HOSTS_END}\n"


def modules_file(modules: Iterable[str]) -> str:
    """Return the text of a modules-load.d file."""
    return "".join(f"{name}\n" for name in modules)


def sysctl_file(settings: Mapping[str, str]) -> str:
    """Return the text of a sysctl.d file."""
    return "".join(f"{key} = {value}\n" for key, value in sorted(settings.items()))


def sysctl_path(key: str) -> str:
    """Return the file of a kernel setting: net.ipv4.ip_forward is /proc/sys/net/ipv4/ip_forward."""
    return "/proc/sys/" + key.replace(".", "/")


def differing_sysctl(wanted: Mapping[str, str], live: Mapping[str, str | None]) -> list[str]:
    """Return the keys whose live value (None: unknown to this kernel) is not the wanted one; white space does not count."""
    return [key for key, value in sorted(wanted.items()) if (live.get(key) or "").split() != str(value).split()]
