"""What Custos' first API needs of the identity server behind it. Groups of Custos, secrets and tenants' records are not among it: Custos keeps those itself."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from custos_double.store import Record

Credential = tuple[str, str]  # (client id, secret)


class Iam(Protocol):
    """A tenant's realm has the tenant's number, as text, for a name; ``owner`` of roles is a client id, or nothing for those of the realm.

    A user is ``{id, username, first_name, last_name, email, email_verified, enabled, created (ms), attributes {key: values}}``. Refusals are ApiError, of
    ``tokens`` OAuthError.
    """

    async def close(self) -> None: ...

    # The realm and its client

    async def seal(self, password: str) -> str:
        """What is kept of an administrator's password until the realm is opened."""

    async def open_realm(self, tenant: Record) -> None:
        """Make the realm, its client, its administrator (``admin_hash`` is the sealed password). A realm that is there stays, and its client is written."""

    async def write_client(self, tenant: Record) -> None:
        """Tell the client the tenant's addresses."""

    async def add_client(self, realm: str, values: Record) -> str:
        """One more client, as Keycloak describes it; returns its secret, which a public one has not."""

    async def drop_realm(self, realm: str) -> None: ...

    async def discovery(self, request: web.Request, realm: str) -> Record: ...

    # Users

    async def user(self, realm: str, username: str) -> Record | None: ...

    async def users(self, realm: str, fields: dict[str, str], anywhere: str = "", first: int = 0, most: int = -1) -> list[Record]:
        """Users each of whose ``fields`` contains what is wanted of it, or one of whose begins with ``anywhere``; ``most`` below 0 is everybody."""

    async def add_user(self, realm: str, values: Record, attributes: Record, *, enabled: bool) -> Record: ...

    async def change_user(self, realm: str, user: Record, values: Record) -> Record:
        """Replace what ``values`` names; returns the user as he is now."""

    async def set_password(self, realm: str, user: Record, password: str) -> None: ...

    async def delete_user(self, realm: str, user: Record) -> None: ...

    # Roles

    async def roles(self, realm: str, owner: str) -> list[Record]:
        """``{id, name, description, composite}`` each."""

    async def add_role(self, realm: str, owner: str, name: str, description: str) -> None: ...

    async def delete_role(self, realm: str, owner: str, name: str) -> None: ...

    async def roles_of(self, realm: str, user: Record) -> dict[str, list[str]]:
        """The names of a user's roles by owner."""

    async def grant(self, realm: str, user: Record, owner: str, names: list[str]) -> None:
        """Give roles; who has the realm's ``admin`` administers the realm."""

    async def revoke(self, realm: str, user: Record, owner: str, names: list[str]) -> None: ...

    # Tokens

    async def tokens(self, realm: str, client: Credential, form: dict[str, str]) -> Record:
        """What the realm's token endpoint answers."""

    async def verify(self, token: str, realm: str = "") -> tuple[str, Record] | None:
        """(realm, what userinfo says) of an access token that holds, of this realm if one is named; None otherwise."""

    async def introspect(self, realm: str, client: Credential, token: str) -> Record:
        """What the realm's introspection says of a token; ``active`` is false where it, or the client, is unknown."""

    async def end_session(self, realm: str, client: Credential, refresh_token: str) -> None:
        """End the session that a refresh token belongs to, if there is one."""
