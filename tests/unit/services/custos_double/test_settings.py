"""The configuration file: each mistake is one sentence that names it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from custos_double.errors import SettingsError
from custos_double.settings import Faults, load
from custos_double.store import Store

from tests.unit.services.custos_double.server import TOP, Server

KEYCLOAK = {"url": "https://localhost:1/auth", "admin_file": "admin.json"}


def write(folder: Path, **changes: Any) -> Path:
    server = Server(folder)
    server.settings |= changes
    (folder / "users.json").write_text(json.dumps({"users": server.users}))
    path = folder / "config.json"
    path.write_text(json.dumps({name: value for name, value in server.settings.items() if value is not None}))
    return path


def test_a_good_file(tmp_path: Path) -> None:
    settings = load(write(tmp_path, listen=["127.0.0.1:8444", "10.77.0.1:8444"], front_url="https://localhost:8444/"))
    assert settings.listen == [("127.0.0.1", 8444), ("10.77.0.1", 8444)]
    assert settings.front_url == "https://localhost:8444"
    assert settings.state_file == tmp_path / "custos.sqlite3"
    assert [tenant.tenant_id for tenant in settings.tenants] == [10000000, 10000001]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"listen": None}, "lacks listen"),
        ({"typo": 1}, "unknown settings typo"),
        ({"listen": ["8444"]}, "address:port"),
        ({"front_url": "http://localhost:1"}, "must be https"),
        ({"front_url": "https://localhost:1/x"}, "without a path"),
        ({"tenant_files": ["gateway.json"]}, "super tenant"),
        ({"tenant_files": ["missing.json"]}, "cannot read"),
        ({"users_file": "super.json"}, "users_file"),
        ({"keycloak_admin_file": "super.json"}, "keycloak_admin_file"),
        ({"keycloak": KEYCLOAK}, "not together with users_file;"),
        ({"users_file": None, "keycloak_admin_file": "super.json", "keycloak": KEYCLOAK}, "not together with keycloak_admin_file;"),
        ({"users_file": None, "keycloak": {"url": "https://localhost:1/auth"}}, "must look like"),
        ({"users_file": None, "keycloak": {**KEYCLOAK, "realm": "x"}}, "must look like"),
        ({"users_file": None, "keycloak": {**KEYCLOAK, "url": "http://localhost:1"}}, "must begin with https://"),
        ({"users_file": None, "keycloak": {**KEYCLOAK, "admin_file": "super.json"}}, "keycloak admin_file"),
        ({"access_token_seconds": 0}, "access_token_seconds"),
        ({"faults": {"slow": 1}}, "unknown setting 'slow'"),
        ({"faults": {"unavailable_count": True}}, "unavailable_count"),
        ({"faults": {"clock_skew_seconds": "an hour"}}, "clock_skew_seconds"),
    ],
)
def test_mistakes(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        load(write(tmp_path, **changes))


def test_a_tenant_file_must_fit(tmp_path: Path) -> None:
    path = write(tmp_path)
    tenant = json.loads((tmp_path / "gateway.json").read_text())
    (tmp_path / "gateway.json").write_text(json.dumps({**tenant, "client_id": "custos-x-1"}))
    with pytest.raises(SettingsError, match="must end with '-10000001'"):
        load(path)
    (tmp_path / "gateway.json").write_text(json.dumps({**tenant, "admin_password": ""}))
    with pytest.raises(SettingsError, match="lacks admin_password"):
        load(path)
    (tmp_path / "gateway.json").write_text("{")
    with pytest.raises(SettingsError, match="not JSON"):
        load(path)


def run(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "custos_double", "--config", str(path)]
    return subprocess.run(command, cwd=TOP / "services" / "custos_double", capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(("changes", "text"), [({"certificate": "missing.crt"}, "certificate"), ({"listen": ["192.0.2.1:1"]}, "cannot listen on 192.0.2.1:1")])
def test_the_program_ends_with_one_sentence(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    ended = run(write(tmp_path, **changes))
    assert ended.returncode == 2
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("changes", "password", "text"),
    [
        ({"ca_file": "kc/ca.crt", "url": "https://127.0.0.1:1/auth"}, "right", "does not answer"),
        ({"ca_file": "missing.crt"}, "right", "No such file"),
        ({}, "right", "CERTIFICATE_VERIFY_FAILED"),
        ({"ca_file": "kc/ca.crt"}, "wrong", "does not take the administrator root: HTTP 400"),
    ],
)
def test_a_keycloak_that_cannot_be_used_is_one_sentence(tmp_path: Path, changes: dict[str, str], password: str, text: str) -> None:
    (tmp_path / "kc").mkdir()
    keycloak = Server(tmp_path / "kc", keycloak_admin_file="admin.json")
    keycloak.write("admin.json", {"username": "root", "password": "right"})
    keycloak.start()
    try:
        path = write(tmp_path, users_file=None, keycloak={"url": f"{keycloak.url}/auth", "admin_file": "admin.json", **changes})
        (tmp_path / "admin.json").write_text(json.dumps({"username": "root", "password": password}))
        ended = run(path)
    finally:
        keycloak.stop()
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("custos_double: Keycloak at https://127.0.0.1:")
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def test_faults_overlay() -> None:
    base = Faults(slow_seconds=1)
    assert Faults.parse({"unavailable_count": 3}, base) == Faults(slow_seconds=1, unavailable_count=3)


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")

    def half() -> None:
        with store.transaction():
            store.put("a", "", "1", {"x": 1})
            with store.transaction():
                store.put("a", "", "2", {"x": 2})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert store.list("a", "", 0) == []
    store.put("a", "", "1", {"x": 1}, expires=10)
    assert store.get("a", "", "1", 9) == {"x": 1}
    assert store.get("a", "", "1", 10) is None
    assert store.purge(10) == 1
    store.close()
