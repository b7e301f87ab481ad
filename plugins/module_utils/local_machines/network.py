# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machines' network on the deploy host: a namespace with a bridge and one tap per machine, joined to the host by one veth pair.

`read` looks, `plan` compares (pure), `apply` runs the commands. Nothing else on the host's network is touched.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Site

BRIDGE = "br0"
UPLINK = "uplink"
NAMESPACES = Path("/run/netns")


@dataclass(frozen=True)
class Network:
    """What exists: the namespace, the host's end with its addresses, links of the namespace with their bridge (or ''), and which are up.

    ``broken``: the namespace has a name and nothing behind it, as an interrupted `ip netns add` or a killed host leaves it.
    """

    namespace: bool = False
    broken: bool = False
    host_interface: bool = False
    host_up: bool = False
    host_addresses: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    up: frozenset[str] = frozenset()
    owners: Mapping[str, int] = field(default_factory=dict)


def desired(site: Site, taps: Iterable[str], uid: int) -> Network:
    """Describe the network of a site with these taps, each owned by ``uid``."""
    names = sorted(taps)
    return Network(
        namespace=True,
        host_interface=True,
        host_up=True,
        host_addresses=(f"{site.gateway}/{site.prefix_length}",),
        links={BRIDGE: "", UPLINK: BRIDGE, **dict.fromkeys(names, BRIDGE)},
        up=frozenset({"lo", BRIDGE, UPLINK, *names}),
        owners=dict.fromkeys(names, uid),
    )


def describe(network: Network) -> dict[str, Any]:
    """Give a network as data for a diff."""
    if not (network.namespace or network.broken or network.host_interface):
        return {}
    return {
        "namespace": network.namespace,
        "host_interface": {"exists": network.host_interface, "up": network.host_up, "addresses": list(network.host_addresses)},
        "links": {name: {"bridge": bridge, "up": name in network.up} for name, bridge in sorted(network.links.items()) if name != "lo"},
    }


def plan(site: Site, current: Network, wanted: Network) -> list[list[str]]:
    """Give the commands that turn the current network into the wanted one; none when it is right. Taps of machines that are gone are removed."""
    commands: list[list[str]] = []
    inside = ["ip", "-n", site.namespace]
    links, up = dict(current.links), set(current.up)
    host = current.host_interface
    if not current.namespace:
        commands += [["ip", "netns", "delete", site.namespace]] if current.broken else []
        commands.append(["ip", "netns", "add", site.namespace])
        links, up = {}, set()
        if host:  # its peer cannot be in the namespace that is missing
            commands.append(["ip", "link", "delete", site.host_interface])
            host = False
    elif UPLINK in links and not host:
        commands.append([*inside, "link", "delete", UPLINK])
        links.pop(UPLINK)
        up.discard(UPLINK)
    elif host and UPLINK not in links:
        commands.append(["ip", "link", "delete", site.host_interface])
        host = False
    if "lo" not in up:
        commands.append([*inside, "link", "set", "lo", "up"])
    if BRIDGE not in links:
        commands.append([*inside, "link", "add", BRIDGE, "type", "bridge"])
        links[BRIDGE] = ""
    if BRIDGE not in up:
        commands.append([*inside, "link", "set", BRIDGE, "up"])
    fresh = not host
    if fresh:
        commands.append(["ip", "link", "add", site.host_interface, "type", "veth", "peer", "name", UPLINK, "netns", site.namespace])
        links[UPLINK] = ""
    for name, uid in sorted(wanted.owners.items()):
        if name in links and current.owners.get(name, uid) != uid:
            commands.append([*inside, "link", "delete", name])
            links.pop(name)
            up.discard(name)
        if name not in links:
            commands.append([*inside, "tuntap", "add", name, "mode", "tap", "user", str(uid)])
            links[name] = ""
    for name in sorted(set(wanted.links) - {BRIDGE}):
        if links[name] != BRIDGE or name not in up:
            commands.append([*inside, "link", "set", name, "master", BRIDGE, "up"])
    commands += [[*inside, "link", "delete", name] for name in sorted(links) if name.startswith("tap-") and name not in wanted.links]
    addresses = () if fresh else current.host_addresses
    commands += [["ip", "address", "delete", old, "dev", site.host_interface] for old in addresses if old not in wanted.host_addresses]
    commands += [["ip", "address", "add", new, "dev", site.host_interface] for new in wanted.host_addresses if new not in addresses]
    if fresh or not current.host_up:
        commands.append(["ip", "link", "set", site.host_interface, "up"])
    return commands


def plan_removal(site: Site, current: Network) -> list[list[str]]:
    """Give the commands that take the network away. The namespace's own links go with it."""
    commands = []
    if current.host_interface:
        commands.append(["ip", "link", "delete", site.host_interface])
    if current.namespace or current.broken:
        commands.append(["ip", "netns", "delete", site.namespace])
    return commands


def overlaps(cidr: str, host_interface: str, addresses: Sequence[Mapping[str, Any]], routes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Find what on the host already uses a part of the range. Returns sentences.

    ``addresses`` and ``routes`` are the answers of ``ip -j address`` and ``ip -j route show table all``. Our own interface does not count; nor does a
    default route.
    """
    wanted = ipaddress.ip_network(cidr)
    advice = "; set hub_network_cidr, hub_deploy_address and the machines' ansible_host to a free range."
    found = {}
    for link in addresses:
        if link.get("ifname") == host_interface:
            continue
        for item in link.get("addr_info", []):
            network = ipaddress.ip_interface(f"{item['local']}/{item['prefixlen']}").network
            if network.version == wanted.version and network.overlaps(wanted):
                found[f"{link['ifname']} {network}"] = (
                    f"The address range {cidr} is busy: interface {link['ifname']} of the deploy host has {item['local']}/{item['prefixlen']}{advice}"
                )
    for route in routes:
        target = route.get("dst", "default")
        if target == "default" or route.get("dev") == host_interface or route.get("type") in ("local", "broadcast", "multicast", "anycast"):
            continue
        try:
            network = ipaddress.ip_network(target, strict=False)
        except ValueError:
            continue
        if network.version == wanted.version and network.prefixlen > 0 and network.overlaps(wanted):
            device = route.get("dev", "?")
            found.setdefault(f"{device} {network}", f"The address range {cidr} is busy: the deploy host has a route to {target} by {device}{advice}")
    return list(found.values())


def ip_json(*arguments: str) -> Any:
    """Run ``ip -j ...`` and give its answer; a list, empty when it prints nothing."""
    done = subprocess.run(["ip", "-j", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LocalError(f"'ip {' '.join(arguments)}' failed: {done.stderr.strip() or 'no message'}.")
    return json.loads(done.stdout or "[]")


def host_overlaps(site: Site) -> list[str]:
    """Give the sentences of `overlaps` for this host."""
    return overlaps(site.cidr, site.host_interface, ip_json("address"), ip_json("route", "show", "table", "all"))


def read(site: Site) -> Network:
    """Look at the network of a site as it is."""
    host = [link for link in ip_json("address") if link.get("ifname") == site.host_interface]
    named = (NAMESPACES / site.namespace).exists()
    inside: list[dict[str, Any]] = []
    broken = False
    if named:
        try:
            inside = ip_json("-d", "-n", site.namespace, "link")
        except LocalError:
            broken = True
    return Network(
        namespace=named and not broken,
        broken=broken,
        host_interface=bool(host),
        host_up=bool(host) and "UP" in host[0].get("flags", []),
        host_addresses=tuple(f"{item['local']}/{item['prefixlen']}" for link in host for item in link.get("addr_info", []) if item.get("family") == "inet"),
        links={link["ifname"]: link.get("master", "") for link in inside},
        up=frozenset(link["ifname"] for link in inside if "UP" in link.get("flags", [])),
        owners={link["ifname"]: int(owner) for link in inside if str(owner := link.get("linkinfo", {}).get("info_data", {}).get("user", "")).isdigit()},
    )


def apply(commands: Iterable[Sequence[str]]) -> None:
    """Run the commands of a plan; the first that fails ends it with an error that names it."""
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LocalError(f"'{' '.join(command)}' failed: {done.stderr.strip() or 'no message'}; this needs root and a kernel with network namespaces.")


def forget_namespaces_mount() -> None:
    """Take away the mount that `ip netns` leaves at /run/netns, if no namespace of anybody is in it."""
    if NAMESPACES.is_dir() and not any(NAMESPACES.iterdir()):
        while os.path.ismount(NAMESPACES) and subprocess.run(["umount", str(NAMESPACES)], capture_output=True, check=False).returncode == 0:
            pass
        with contextlib.suppress(OSError):
            NAMESPACES.rmdir()
