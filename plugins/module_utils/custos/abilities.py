# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which dialect can do what. The table in docs/custos.md says the same, and a test compares them."""

from __future__ import annotations

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError

APIS = ("v1.0.0", "v1", "keycloak")

# (what, dialect) -> why not, and what to do instead. Everything else a dialect can do.
CANNOT: dict[tuple[str, str], str] = {
    ("a child client", "v1"): (
        "cannot register a client below a tenant, since Custos reads the parent's token only when there is none;"
        " set registration to admin, or register with api keycloak in the tenant's realm"
    ),
    ("an admin client", "keycloak"): "knows no tenants that somebody approves; leave registration at child",
    ("changing a client", "v1"): (
        "changes the tenant of whoever asks, whatever client_id says, so the parent would be overwritten; change it in Custos' portal"
    ),
    ("deleting a client", "v1"): (
        "deletes the tenant of whoever asks, whatever client_id says, so the parent would be lost; ask an administrator of Custos to deactivate it"
    ),
    ("reading credentials", "v1"): "tells a client's secret only when the client is registered; keep what the first run returned",
    ("rotating a secret", "v1.0.0"): "has no call that makes a new secret; delete the client and register it again",
    ("rotating a secret", "v1"): "has no call that makes a new secret; ask an administrator of Custos",
    ("groups in a claim", "v1.0.0"): "tells people's groups in an answer of its own, not in a claim; leave groups_claim out",
    ("groups in a claim", "v1"): "puts people's groups into a claim by itself; leave groups_claim out",
    ("membership types", "keycloak"): "has groups without membership types; leave type at MEMBER",
    ("an owner of a group", "keycloak"): "has groups without an owner; leave owner out",
    ("transport custos-sdk", "v1"): "is not what custos-sdk speaks; leave transport at https",
    ("transport custos-sdk", "keycloak"): "is not what custos-sdk speaks; leave transport at https",
    ("secrets", "v1"): "has no resource secrets any more; keep them elsewhere",
    ("secrets", "keycloak"): "has no resource secrets; keep them elsewhere",
}
# What the table in the documentation has a row for.
THINGS = tuple(dict.fromkeys(["clients", *(what for what, _api in CANNOT), "users", "groups"]))


def need(api: str, *things: str) -> None:
    """Raise CustosError for the first of ``things`` that ``api`` cannot do."""
    for thing in things:
        reason = CANNOT.get((thing, api))
        if reason:
            raise CustosError(f"api {api} {reason} (asked for: {thing}).")
