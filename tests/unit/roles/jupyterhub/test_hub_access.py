from __future__ import annotations

from typing import Any

import pytest
from hub_access import admin_of, fits, in_domain, person, values_of, who_may

CLAIMS = {
    "email": "Alice@Lab.Uni.Example",
    "email_verified": True,
    "idp": "https://idp.uni.example/shibboleth",
    "affiliation": "member@uni.example;staff@uni.example",
}


def rules(**given: Any) -> dict[str, Any]:
    return {"users": [], "groups": [], "email_domains": [], "institutions": [], **given}


@pytest.mark.parametrize(
    ("given", "fit"),
    [
        ({}, False),
        ({"users": ["alice"]}, True),
        ({"users": ["Alice", "bob"]}, False),
        ({"groups": ["g1"]}, True),
        ({"groups": ["G1", "g"]}, False),
        ({"email_domains": ["lab.uni.example"]}, True),
        ({"email_domains": ["*.uni.example"]}, True),
        ({"email_domains": ["uni.example"]}, False),
        ({"email_domains": ["example"]}, False),
        ({"institutions": ["https://idp.uni.example/shibboleth"]}, True),
        ({"institutions": ["Staff@uni.example"]}, True),
        ({"institutions": ["staff@uni"]}, False),
        ({"groups": ["none"], "users": ["alice"]}, True),
    ],
)
def test_any_rule_that_names_a_person_fits(given: dict[str, Any], fit: bool) -> None:
    who = person("alice", CLAIMS, ["g1", "g2"], ["idp", "affiliation", "missing"])
    assert fits(who, rules(**given)) is fit


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"email": "a@b.example"}, "a@b.example"),
        ({"email": "a@b.example", "email_verified": "true"}, "a@b.example"),
        ({"email": "a@b.example", "email_verified": False}, ""),
        ({"email": "a@b.example", "email_verified": "false"}, ""),
        ({"email": "a@b.example", "email_verified": None}, ""),
        ({}, ""),
    ],
)
def test_an_address_that_is_not_verified_counts_for_nothing(claims: dict[str, Any], email: str) -> None:
    assert person("a", claims, [], []).email == email


@pytest.mark.parametrize(
    ("email", "domain", "inside"),
    [
        ("a@example.org", "Example.org ", True),
        ("a@evilexample.org", "example.org", False),
        ("a@example.org.evil", "example.org", False),
        ("a@x.example.org", "*.example.org", True),
        ("a@example.org", "*.example.org", False),
        ("example.org", "example.org", False),
        ("", "", False),
    ],
)
def test_in_domain(email: str, domain: str, inside: bool) -> None:
    assert in_domain(email, domain) is inside


@pytest.mark.parametrize(("claim", "values"), [(None, []), ("", []), ("a", ["a"]), ("a; b;", ["a", "b"]), (["a", "b;c"], ["a", "b;c"]), (7, ["7"])])
def test_values_of_a_claim(claim: Any, values: list[str]) -> None:
    assert sorted(values_of(claim)) == values


@pytest.mark.parametrize(
    ("given", "admin"),
    [
        ({}, None),
        ({"users": ["alice"]}, True),
        ({"users": ["bob"]}, None),  # what the hub's own administrators page says stays
        ({"groups": ["admins"]}, False),
        ({"groups": ["g1"]}, True),
        ({"users": ["alice"], "groups": ["admins"]}, True),
    ],
)
def test_admin(given: dict[str, Any], admin: bool | None) -> None:
    assert admin_of(person("alice", CLAIMS, ["g1"], []), rules(**given)) is admin


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Only people whom its administrators named may use this hub."),
        ({"users": ["alice"]}, "Only people whom its administrators named may use this hub."),
        ({"groups": ["b", "a"]}, "Only people in group a or b may use this hub."),
        (
            {"email_domains": ["x.example"], "users": ["alice"]},
            "Only people with an e-mail address of x.example, and people whom its administrators named may use this hub.",
        ),
    ],
)
def test_who_may(given: dict[str, Any], sentence: str) -> None:
    assert who_may(rules(**given)) == sentence
