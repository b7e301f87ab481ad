# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The CNI configuration of one node."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence


def conflist(name: str, pod_cidrs: Sequence[str], mtu_bytes: int) -> str:
    """Return the text of a conflist for the bridge plugin that gives pods addresses of ``pod_cidrs`` (one range per address family).

    The bridge does not masquerade: flannel does, and leaves traffic between pods alone so that network policies see true addresses.
    Raises ValueError when a range is no network.
    """
    networks = [ipaddress.ip_network(cidr) for cidr in pod_cidrs]
    if not networks:
        raise ValueError("a node's pod range is needed")
    routes = [{"dst": "0.0.0.0/0" if network.version == 4 else "::/0"} for network in networks]
    return (
        json.dumps(
            {
                "cniVersion": "1.0.0",
                "name": name,
                "plugins": [
                    {
                        "type": "bridge",
                        "bridge": "cni0",
                        "isGateway": True,
                        "hairpinMode": True,
                        "ipMasq": False,
                        "mtu": mtu_bytes,
                        "ipam": {"type": "host-local", "ranges": [[{"subnet": str(network)}] for network in networks], "routes": routes},
                    },
                    {"type": "portmap", "capabilities": {"portMappings": True}},
                ],
            },
            indent=2,
        )
        + "\n"
    )
