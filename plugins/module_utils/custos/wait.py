# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait for an approval, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.clients import GONE
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError


def wait_active(
    read: Callable[[], dict[str, Any]],
    timeout_seconds: float,
    interval_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Read a client until it is ACTIVE; raises CustosError when it was refused or the limit passed."""
    deadline = clock() + timeout_seconds
    while True:
        client = read()
        if client["status"] == "ACTIVE":
            return client
        if client["status"] in GONE:
            raise CustosError(f"The registration of client {client['client_id']} is {client['status']}; ask the administrators of Custos why.")
        if client["status"] == "DISABLED":
            raise CustosError(f"Client {client['client_id']} is disabled in Keycloak: enable it there.")
        left = deadline - clock()
        if left <= 0:
            raise CustosError(
                f"Client {client['client_id']} is still {client['status']} after {timeout_seconds:g} s; an administrator of Custos must approve it."
                " Run again afterwards: the registration is found, not made anew."
            )
        sleep(min(interval_seconds, left))
