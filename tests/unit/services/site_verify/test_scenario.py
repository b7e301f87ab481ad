"""The scenario: users, levels, and that each check fails when what it checks is broken."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from site_verify.__main__ import main
from site_verify.errors import VerifyError
from site_verify.hub import Limits
from site_verify.scenario import FULL, QUICK, SPARE_SERVER, check_login_page, choose_users, load_users, log_in_first, log_out, open_visit, refuse_wrong_password

USERS = {"alice": "right", "bob": "right"}


def visit(site: Any, users: dict[str, str] | None = None) -> Any:
    return open_visit(site.hub, None, Limits(request_seconds=5, spawn_seconds=5, stop_seconds=1), users or USERS)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), ("{", "no file of demo users"), ('{"users": [{"username": "x"}]}', "password"), ("[]", "no file of demo users")],
)
def test_a_broken_users_file_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "users.json").write_text(content)
    with pytest.raises(VerifyError, match=message):
        load_users(tmp_path / "users.json")


def test_users_are_chosen_by_name() -> None:
    assert list(choose_users({"x": "1", "bob": "2", "alice": "3"}, ["alice", "bob"])) == ["alice", "bob"]
    with pytest.raises(VerifyError, match="carol is not among the demo users"):
        choose_users(USERS, ["alice", "carol"])


def test_names_of_steps_are_unique_and_the_tidying_always_runs() -> None:
    assert len({step.name for step in FULL}) == len(FULL)
    assert [step.name for step in FULL if step.always] == ["tidy"]
    assert [step.name for step in QUICK] == ["health", "login-page"]


def test_the_login_page_must_be_the_providers(site: Any) -> None:
    found = visit(site)
    assert check_login_page(found) == "Custos"
    found.provider_name = "Keycloak"
    with pytest.raises(VerifyError, match="expected one of Keycloak"):
        check_login_page(found)


def test_a_provider_that_takes_any_password_fails(site: Any) -> None:
    assert refuse_wrong_password(visit(site)) == "Invalid username or password."
    site.password = "not-right"
    with pytest.raises(VerifyError, match="could log in with a wrong password"):
        refuse_wrong_password(visit(site))


def test_a_session_that_survives_the_logout_fails(site: Any) -> None:
    found = visit(site)
    log_in_first(found)
    with pytest.raises(VerifyError, match=r"/hub/logout answered 404"):
        log_out(found)


def test_a_running_server_of_somebody_is_left_alone(site: Any) -> None:
    site.running = {""}
    person = visit(site).first
    person.session.login("alice", "right")
    with pytest.raises(VerifyError):  # this hub has no named servers; what matters is which one was asked for
        person.start()
    assert person.server is not None
    assert re.fullmatch(SPARE_SERVER.format("[0-9a-f]{6}"), person.server)
    assert site.running == {""}


def test_the_program_cannot_begin_without_a_ca(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = tmp_path / "users.json"
    users.write_text(json.dumps({"users": [{"username": name, "password": "p"} for name in USERS]}))
    assert main(["--url", "https://localhost:1", "--ca", str(tmp_path / "ca.crt"), "--users-file", str(users)]) == 2
    assert "cannot be used" in capsys.readouterr().err
