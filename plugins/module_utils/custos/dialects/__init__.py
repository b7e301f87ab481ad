# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The APIs that Custos has spoken over the years, and Keycloak's, each behind the same interfaces. ``abilities`` says what one lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.abilities import need
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import keycloak, keycloak_people, v1, v1_0_0, v1_0_0_people, v1_people


class Clients(Protocol):
    """Clients are dictionaries with the names of ``clients.FIELDS``, and ``client_id, tenant_id, status, parent_client_id``."""

    fields: tuple[str, ...]  # those that this API keeps
    required: tuple[str, ...]  # those that a new client needs
    ids_are_chosen: bool  # by people; else the server makes them up

    def all(self, registration: str) -> list[dict[str, Any]]:
        """All clients of the account, also those that are gone."""

    def read(self, client_id: str) -> dict[str, Any]:
        """One client as it is now."""

    def create(self, client_id: str, fields: dict[str, Any], admin_password: str, registration: str) -> tuple[str, dict[str, Any]]:
        """Register a client, under ``client_id`` where ids can be chosen; returns its id, and credentials if they are told only now."""

    def update(self, client_id: str, fields: dict[str, Any]) -> None:
        """Make a client like ``fields``, which are complete."""

    def delete(self, client_id: str, registration: str) -> None:
        """Take a client away. No error when it is gone already."""

    def rotate(self, client_id: str) -> None:
        """Make a new secret; the old one is void."""

    def credentials(self, client_id: str) -> dict[str, Any]:
        """The secrets of an active client: iam_client_id, iam_client_secret, custos_client_id, custos_client_secret."""

    def discovery(self, client_id: str) -> dict[str, Any]:
        """The OpenID Connect discovery document of a client's realm."""


class Users(Protocol):
    """Users are dictionaries as in ``users``. All but ``find`` and ``all`` are for one user by their name."""

    required: tuple[str, ...]  # the options that a new user needs

    def find(self, username: str) -> dict[str, Any] | None:
        """A user, or None."""

    def all(self) -> list[dict[str, Any]]:
        """Everybody."""

    def register(self, username: str, names: dict[str, str], password: str) -> None:
        """Make a user, who is disabled."""

    def enable(self, username: str, enabled: bool) -> None: ...

    def rename(self, username: str, names: dict[str, str]) -> None:
        """Set email, first_name and last_name."""

    def add_roles(self, username: str, roles: list[str]) -> None: ...

    def remove_roles(self, username: str, roles: list[str]) -> None: ...

    def set_attributes(self, username: str, attributes: dict[str, list[str]]) -> None:
        """Replace the values of these attributes; others stay."""

    def drop_attributes(self, username: str, attributes: dict[str, list[str]]) -> None:
        """Take these attributes away, which have these values."""

    def delete(self, username: str) -> None:
        """Take a user away. No error when they are gone already."""


class Groups(Protocol):
    """Groups are dictionaries as in ``groups``."""

    owned: bool  # whether each has an owner

    def all(self) -> list[dict[str, Any]]:
        """All groups, with no members in them."""

    def members(self, group_id: str) -> dict[str, str]:
        """User names and membership types of one group."""

    def create(self, name: str, description: str, owner: str) -> str:
        """Make a group; returns its id. Its owner is a member then."""

    def update(self, group_id: str, name: str, description: str) -> None: ...

    def add_member(self, group_id: str, username: str, kind: str) -> None: ...

    def change_member(self, group_id: str, username: str, kind: str) -> None: ...

    def remove_member(self, group_id: str, username: str) -> None: ...

    def delete(self, group_id: str) -> None:
        """Take a group away. No error when it is gone already."""


class Secrets(Protocol):
    """Secrets are dictionaries: name, kind (``ssh`` or ``password``), owner, description as it is stored."""

    def find(self, names: list[str]) -> list[dict[str, Any]]:
        """Those of ``names`` that exist, without their contents."""

    def read(self, name: str, kind: str) -> dict[str, str]:
        """The contents of one."""

    def create(self, name: str, kind: str, owner: str, description: str, values: dict[str, str]) -> None: ...

    def delete(self, name: str, kind: str) -> None:
        """Take a secret away. No error when it is gone already."""


def _lacking(what: str, api: str) -> Callable[[Any], Any]:
    """In the place of a class that an API has no use for: says so."""

    def refuse(_session: Any) -> Any:
        need(api, what)
        raise AssertionError(f"abilities lacks {what} of {api}")

    return refuse


@dataclass(frozen=True)
class Dialect:
    """One API: where it is below an address, how an account logs in, and a class for each kind of thing."""

    base_of: Callable[[str], str]
    session: Callable[[Any, dict[str, str]], Any]
    clients: Callable[[Any], Clients]
    users: Callable[[Any], Users]
    groups: Callable[[Any], Groups]
    secrets: Callable[[Any], Secrets]


DIALECTS: dict[str, Dialect] = {
    "v1.0.0": Dialect(v1_0_0.base_of, v1_0_0.SessionV100, v1_0_0.ClientsV100, v1_0_0_people.UsersV100, v1_0_0_people.GroupsV100, v1_0_0_people.SecretsV100),
    "v1": Dialect(v1.base_of, v1.SessionV1, v1.ClientsV1, v1_people.UsersV1, v1.GroupsV1, _lacking("secrets", "v1")),
    "keycloak": Dialect(
        lambda url: url.rstrip("/"),
        keycloak.SessionKeycloak,
        keycloak.ClientsKeycloak,
        keycloak_people.UsersKeycloak,
        keycloak_people.GroupsKeycloak,
        _lacking("secrets", "keycloak"),
    ),
}
