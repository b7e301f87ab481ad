# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a client of Custos should be like, compared with what it is. Pure: no calls in here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# The fields that can be set, by the name that users give them, and how two values are compared:
# text as it is, a set without regard to order (Custos keeps none).
FIELDS: dict[str, str] = {
    "client_name": "text",
    "domain": "text",
    "requester_email": "text",
    "admin_first_name": "text",
    "admin_last_name": "text",
    "admin_email": "text",
    "admin_username": "text",
    "contacts": "set",
    "redirect_uris": "set",
    "client_uri": "text",
    "scopes": "set",
    "comment": "text",
    "logo_uri": "text",
    "tos_uri": "text",
    "policy_uri": "text",
    "jwks_uri": "text",
    "application_type": "text",
    "token_endpoint_auth_method": "text",
    "software_id": "text",
    "software_version": "text",
    "groups_claim": "text",
}
TENANT_FIELDS = tuple(name for name in FIELDS if name != "groups_claim")  # what Custos itself keeps of a client
# What Custos demands of a new one.
REQUIRED = (
    "client_name", "domain", "requester_email", "admin_first_name", "admin_last_name", "admin_email", "admin_username", "redirect_uris", "scopes",
    "application_type",
)  # fmt: skip
GONE = ("DEACTIVATED", "CANCELLED", "DENIED")  # such a client is as good as none


@dataclass
class Plan:
    """What to do: ``action`` is none, create, update or delete; ``fields`` is what to send; ``before`` and ``after`` are for people and hold no secret."""

    action: str
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return self.action != "none"


def normal(name: str, value: Any) -> Any:
    """A value in the form in which it is compared and shown: sorted lists without repetition, '' for nothing."""
    if FIELDS.get(name) == "set":
        return sorted(set(value or []))
    return "" if value is None else str(value)


def shown(client: Mapping[str, Any]) -> dict[str, Any]:
    """The settable fields of a client, normalised. Passwords are not among them."""
    return {name: normal(name, client.get(name)) for name in FIELDS}


def missing(desired: Mapping[str, Any], required: Iterable[str]) -> list[str]:
    """Names of fields that a new client needs (``required``) and ``desired`` lacks."""
    return [name for name in required if not desired.get(name)]


def oldest_first(client: Mapping[str, Any]) -> tuple[int, str]:
    """A key to sort by: Custos counts its tenants."""
    number = client["tenant_id"]
    return int(number) if number.isdigit() else 0, client["client_id"]


def choose(
    candidates: Iterable[Mapping[str, Any]], client_id: str, client_name: str, domain: str, ids_are_chosen: bool = False
) -> tuple[dict[str, Any] | None, list[str]]:
    """The client that is meant, and notes for the user.

    One with the stored ``client_id`` wins; else the name and the domain decide, unless ids are chosen by people, who then mean that one and no
    other. Those that are gone do not count. Custos lets the same be registered twice, so several may fit: then an active one, of these the
    oldest, is taken, and the others are named in a note.
    """
    living = [dict(client) for client in candidates if client["status"] not in GONE]
    if client_id:
        number = client_id.rpartition("-")[2]
        for client in living:
            if client["client_id"] == client_id or (not client["client_id"] and client["tenant_id"] == number):
                return {**client, "client_id": client_id}, []
        if ids_are_chosen:
            return None, []
    fitting = [client for client in living if client["client_name"] == client_name and client["domain"] == domain]
    if not fitting:
        return None, []
    fitting.sort(key=lambda client: (client["status"] != "ACTIVE", oldest_first(client)))
    others = ", ".join(client["client_id"] for client in fitting[1:])
    notes = [f"There are several clients named '{client_name}' of {domain}; {fitting[0]['client_id']} is used, {others} left alone."] if others else []
    return fitting[0], notes


def plan(current: Mapping[str, Any] | None, desired: Mapping[str, Any], state: str = "present") -> Plan:
    """Decide what makes ``current`` (None: there is no such client) like ``desired`` (only the fields that matter to the user).

    An update sends the whole merged client, since Custos replaces; a password is never compared, since Custos never tells it.
    """
    before = shown(current) if current is not None else {}
    if state == "absent":
        return Plan("delete", before) if current is not None else Plan("none")
    wanted = {name: normal(name, value) for name, value in desired.items() if name in FIELDS and value is not None}
    if current is None:
        return Plan("create", {}, {name: value for name, value in {**shown({}), **wanted}.items() if value}, wanted)
    after = {**before, **wanted}
    if after == before:
        return Plan("none", before, after)
    return Plan("update", before, after, after)
