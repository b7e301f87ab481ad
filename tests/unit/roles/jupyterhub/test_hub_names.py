"""Whose hub user is whose. The tables, and a million people with the names that trouble hubs, together with KubeSpawner's names of pods and claims."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hub_names import LONGEST, Account, NameRefusedError, account_of, binding, bound, normal, settle

from tests.unit.roles.jupyterhub.conftest import HUB_FILES

ALICE = Account("https://login.example", "1")
OTHER = Account("https://login.example", "2")
BEFORE = Account("https://old.example", "1")
TAKEN = r"The user name \S+ is taken here by another account"


@dataclass
class Memory:
    """The hub's users, in memory; slugs are names cut to 8 characters."""

    owners: dict[str, Account | None] = field(default_factory=dict)

    def name_of(self, account: Account) -> str | None:
        return next((name for name, owner in self.owners.items() if owner == account), None)

    def exists(self, name: str) -> bool:
        return name in self.owners

    def owner(self, name: str) -> Account | None:
        return self.owners[name]

    def twin(self, name: str) -> str | None:
        return next((other for other in self.owners if other != name and other[:8] == name[:8]), None)


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        ("alice", "alice"),
        ("Alice.Smith@Example.ORG", "alice.smith@example.org"),
        ("ÉLODIE", "élodie"),
        ("E\u0301lodie", "élodie"),
        ("\uff21\uff4c\uff49\uff43\uff45", "alice"),
        ("ﬁona", "fiona"),
        ("Jürgen Müller", "jürgen müller"),
        ("x" * LONGEST, "x" * LONGEST),
    ],
)
def test_names_that_look_the_same_are_the_same(claim: str, name: str) -> None:
    assert normal(claim) == name
    assert normal(name) == name


@pytest.mark.parametrize(
    "claim",
    ["", " ", " alice", "alice ", "a/b", "a\uff0fb", ".", "..", "%2e%2E", "a\nb", "a\x00b", "a\u200bb", "a\u202eb", "a\ud800b", "x" * (LONGEST + 1)],
)
def test_names_that_no_address_can_carry_are_refused(claim: str) -> None:
    with pytest.raises(NameRefusedError):
        normal(claim)


@pytest.mark.parametrize(
    ("users", "claim", "account", "name"),
    [
        ({}, "Alice", ALICE, "alice"),
        ({"alice": ALICE}, "alice", ALICE, "alice"),
        # Renamed at the provider: the home stays, also when the new name is somebody else's here.
        ({"alice": ALICE}, "alicia", ALICE, "alice"),
        ({"alice": ALICE, "bob": OTHER}, "bob", ALICE, "alice"),
        # Made by an administrator, or by the gateway, before the first login.
        ({"alice": None}, "Alice", ALICE, "alice"),
        # From a hub that only lowered names: composed characters would give another one.
        ({"ﬁona": None}, "ﬁona", ALICE, "ﬁona"),
        ({"alice": BEFORE}, "alice", ALICE, "alice"),
    ],
)
def test_a_person_gets_their_user(users: dict[str, Account | None], claim: str, account: Account, name: str) -> None:
    assert settle(claim, account, Memory(users), {"https://old.example"}) == name


@pytest.mark.parametrize(
    ("users", "claim", "why"),
    [
        ({"alice": OTHER}, "alice", TAKEN),
        ({"alice": OTHER}, "ALICE", TAKEN),
        ({"élodie": OTHER}, "E\u0301lodie", TAKEN),
        ({"ﬁona": OTHER}, "ﬁona", TAKEN),
        ({"alice": Account("https://elsewhere.example", "1")}, "alice", TAKEN),
        ({"long-name-1": OTHER}, "long-name-2", "cannot be told apart"),
    ],
)
def test_nobody_gets_the_user_of_somebody_else(users: dict[str, Account | None], claim: str, why: str) -> None:
    with pytest.raises(NameRefusedError, match=why):
        settle(claim, ALICE, Memory(users))


@pytest.mark.parametrize("info", [None, {}, [], {"login": None}, {"login": {"issuer": "x"}}, {"name": "x"}])
def test_what_is_no_binding_binds_nobody(info: object) -> None:
    assert bound(info) is None


def test_a_binding_is_read_as_it_was_written() -> None:
    assert bound(json.loads(json.dumps(binding(ALICE)))) == ALICE


def test_an_account_without_a_subject_is_refused() -> None:
    assert account_of({"sub": 7}, "https://login.example", "sub") == Account("https://login.example", "7")
    for claims in ({}, {"sub": ""}, {"sub": None}):
        with pytest.raises(NameRefusedError, match="claim sub"):
            account_of(claims, "https://login.example", "sub")


def test_a_million_people_share_neither_name_nor_claim_nor_pod(hub_python: Path) -> None:
    run = subprocess.run([hub_python, Path(__file__).with_name("million_names.py"), HUB_FILES, "1000000"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    people, names, slugs, invalid, refused = json.loads(run.stdout)
    assert people == names == slugs, "the slug is the whole of what tells two pods, two claims or two namespaces apart"
    assert invalid == 0
    assert refused["apart"] >= 1, "the twins were let in"
    assert refused["taken"] > 0, "no two people asked for the same name, so the test shows little"
    assert people + sum(refused.values()) == 1_000_000
    assert people > 900_000, refused
