"""Who may come in, and who may administer the hub: pure rules, no JupyterHub needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

# What a rule may name, and how a page says it.
KINDS = {"users": "by name", "groups": "in group", "email_domains": "with an e-mail address of", "institutions": "of institution"}

Rules = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Person:
    """What a login says about somebody, as far as rules look at it."""

    name: str
    email: str
    institutions: frozenset[str]
    groups: frozenset[str]


def values_of(claim: Any) -> frozenset[str]:
    """Return the values of a claim: a text (several with ``;`` between, as federations send affiliations) or a list of them."""
    texts = claim if isinstance(claim, list | tuple) else str(claim or "").split(";")
    return frozenset(text for text in (str(part).strip() for part in texts) if text)


def person(name: str, claims: Mapping[str, Any], groups: Collection[str], institution_claims: Collection[str]) -> Person:
    """Return who logged in. An e-mail address that the provider calls unverified counts for nothing."""
    email = str(claims.get("email") or "").strip().lower()
    verified = claims.get("email_verified", True) in (True, "true")
    institutions = frozenset[str]().union(*(values_of(claims.get(claim)) for claim in institution_claims))
    return Person(name, email if verified else "", institutions, frozenset(groups))


def in_domain(email: str, domain: str) -> bool:
    """Return whether an address is of a domain. ``*.example.org`` means those below it."""
    _user, at, host = email.rpartition("@")
    wanted = domain.strip().lower()
    return bool(at) and (host.endswith(wanted[1:]) if wanted.startswith("*.") else host == wanted)


def fits(who: Person, rules: Rules) -> bool:
    """Return whether any of the rules names this person."""
    wanted = {kind: set(rules.get(kind) or ()) for kind in KINDS}
    return bool(
        who.name in wanted["users"]
        or who.groups & wanted["groups"]
        or {text.lower() for text in who.institutions} & {text.lower() for text in wanted["institutions"]}
        or any(in_domain(who.email, domain) for domain in wanted["email_domains"])
    )


def admin_of(who: Person, rules: Rules) -> bool | None:
    """Return whether somebody administers the hub; None leaves what the hub has, when no rule but a list of names is there."""
    if fits(who, rules):
        return True
    return False if any(rules.get(kind) for kind in KINDS if kind != "users") else None


def who_may(rules: Rules) -> str:
    """Return, for the page that refuses somebody, whom the rules let in. Names of people are not told."""
    told = [f"people {words} {' or '.join(sorted(rules[kind]))}" for kind, words in KINDS.items() if kind != "users" and rules.get(kind)]
    if rules.get("users") or not told:
        told.append("people whom its administrators named")
    return "Only " + ", and ".join(told) + " may use this hub."
