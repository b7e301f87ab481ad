# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The APIs that Custos has spoken over the years, one class each behind one interface."""

from __future__ import annotations

from typing import Any, Protocol

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.v1_0_0 import DialectV100
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.http import Http


class Dialect(Protocol):
    """What a module needs of Custos. Clients are dictionaries with the names of ``clients.FIELDS``, and ``client_id, tenant_id, status, parent_client_id``."""

    def __init__(self, http: Http, account: dict[str, str]) -> None: ...

    def list(self, registration: str) -> list[dict[str, Any]]:
        """All clients of the account, also those that are gone."""

    def read(self, client_id: str) -> dict[str, Any]:
        """One client as it is now."""

    def create(self, fields: dict[str, Any], admin_password: str, registration: str) -> str:
        """Register a client; returns its client id."""

    def update(self, client_id: str, fields: dict[str, Any]) -> None:
        """Make a client like ``fields``, which are complete."""

    def delete(self, client_id: str, registration: str) -> None:
        """Take a client away. No error when it is gone already."""

    def credentials(self, client_id: str) -> dict[str, Any]:
        """The secrets of an active client."""

    def discovery(self, client_id: str) -> dict[str, Any]:
        """The OpenID Connect discovery document of a client's realm."""


DIALECTS: dict[str, type[Dialect]] = {"v1.0.0": DialectV100}
