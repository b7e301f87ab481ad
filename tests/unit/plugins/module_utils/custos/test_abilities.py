"""What each dialect can do: the table that the modules ask, and the one that people read."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.abilities import APIS, CANNOT, THINGS, need
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import DIALECTS
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError

GUIDE = Path(__file__).resolve().parents[5] / "docs" / "custos.md"


def test_the_guide_has_the_same_table() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in GUIDE.read_text().splitlines() if line.startswith("| ")]
    start = rows.index(["what", *APIS])
    told = {row[0]: tuple(row[1:]) for row in rows[start + 2 :]}
    assert told == {thing: tuple("no" if (thing, api) in CANNOT else "yes" for api in APIS) for thing in THINGS}


def test_there_is_a_dialect_for_each_api() -> None:
    assert tuple(DIALECTS) == APIS
    assert {api for _thing, api in CANNOT} <= set(APIS)


@pytest.mark.parametrize(("thing", "api"), CANNOT)
def test_a_refusal_says_what_and_what_to_do(thing: str, api: str) -> None:
    with pytest.raises(CustosError, match=rf"^api {api} .*;.* \(asked for: {thing}\)\.$"):
        need(api, "clients", thing)


@pytest.mark.parametrize(("api", "what"), [("v1", "secrets"), ("keycloak", "secrets")])
def test_a_class_that_is_not_there_refuses(api: str, what: str) -> None:
    with pytest.raises(CustosError, match=f"asked for: {what}"):
        getattr(DIALECTS[api], what)(None)
