"""Which hub user a person is: pure rules, no JupyterHub needed.

A hub user belongs to one account of the login provider, known by issuer and subject. Whoever logs in with that account gets that user and its
home, whatever the account is called meanwhile; nobody else does, whatever theirs is called. A name is looked at only when an account comes for
the first time. docs/decisions.md says why.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

LONGEST = 255  # characters; the width of the hub's column
BINDING = "login"  # key of an account in a hub user's `user_info`


class NameRefusedError(Exception):
    """No hub user for this account. Its text is one sentence or two for the person."""


class Account(NamedTuple):
    """An account of a login provider: the only thing about a person that neither changes nor is given to somebody else."""

    issuer: str
    subject: str


class Users(Protocol):
    """The hub's users, as the rules ask about them."""

    def name_of(self, account: Account) -> str | None:
        """Name of the user that belongs to ``account``."""

    def exists(self, name: str) -> bool:
        """Whether there is a user of that name."""

    def owner(self, name: str) -> Account | None:
        """The account that a user belongs to; None for a user who never logged in."""

    def twin(self, name: str) -> str | None:
        """Another user for whom Kubernetes objects would get the same names as for ``name``."""


def account_of(claims: dict[str, Any], issuer: str, subject_claim: str) -> Account:
    """Return the account that ``claims`` are about. Raises NameRefusedError."""
    subject = claims.get(subject_claim)
    if subject is None or subject == "":
        raise NameRefusedError(f"The login provider did not say which account this is (claim {subject_claim}).")
    return Account(issuer, str(subject))


def binding(account: Account) -> dict[str, Any]:
    """Return what is kept with a hub user to know its account again; ``bound`` reads it."""
    return {BINDING: {"issuer": account.issuer, "subject": account.subject}}


def bound(user_info: Any) -> Account | None:
    """Return the account in a hub user's ``user_info``, which may be anything."""
    kept = user_info.get(BINDING) if isinstance(user_info, dict) else None
    if not isinstance(kept, dict) or not {"issuer", "subject"} <= set(kept):
        return None
    return Account(str(kept["issuer"]), str(kept["subject"]))


def normal(claim: str) -> str:
    """Return the one form of a name: lower case and compatible characters composed (NFKC), so that names that look the same are the same.

    Raises NameRefusedError for a name that is empty, too long, or has characters that no address or page can carry safely.
    """
    name, before = claim.lower(), ""
    while not name.isascii() and name != before:  # composing can uncover capital letters, and lowering what is not composed
        before, name = name, unicodedata.normalize("NFKC", name).lower()
    if not name or name != name.strip() or len(name) > LONGEST:
        raise NameRefusedError(f"A user name has 1 to {LONGEST} characters and no blank at its ends; your account's has not.")
    if "/" in name or not name.isprintable() or not set(unquote(name)) - {"."}:
        raise NameRefusedError("Your account's user name has characters that cannot be part of an address.")
    return name


def settle(claim: str, account: Account, users: Users, former_issuers: Collection[str] = ()) -> str:
    """Return the name of the hub user for ``account``, whose provider calls it ``claim``. Raises NameRefusedError.

    ``former_issuers``: providers that the hub used before; their people keep their users when the same name logs in through the present one.
    """
    own = users.name_of(account)
    if own is not None:
        return own
    name = normal(claim)
    # A hub that was there before these rules has names that were only lowered: they stay.
    for known in dict.fromkeys((claim.lower(), name)):
        if not users.exists(known):
            continue
        owner = users.owner(known)
        if owner is None or owner.issuer in former_issuers:
            return known
        raise NameRefusedError(f"The user name {known} is taken here by another account.")
    if users.twin(name):
        raise NameRefusedError(f"The user name {name} cannot be told apart from another one here.")
    return name
