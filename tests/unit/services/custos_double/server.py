"""A real server of the Custos contract for tests: a process of its own, with TLS by a CA made for the test."""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TOP = Path(__file__).resolve().parents[4]
PASSWORD = "correct horse battery"
START_SECONDS = 180  # with a Keycloak behind it, the first realms are made before it answers: 20 s on two busy cores


def make_certificates(folder: Path) -> Path:
    """Write ca.crt, site.crt and site.key (for localhost and 127.0.0.1) into ``folder``; returns the CA's path."""
    now = datetime.datetime.now(datetime.timezone.utc)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])

    def build(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=2))
        )

    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    ca = build(ca_name, ca_key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    ca = ca.add_extension(usage, critical=True).add_extension(identifier, critical=False)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    site = build(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key())
    site = site.add_extension(names, critical=False).add_extension(authority, critical=False)
    (folder / "ca.crt").write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / "site.crt").write_bytes(site.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / "site.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder / "ca.crt"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server process; ``restart`` keeps its state file."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.ca = make_certificates(folder)
        self.port = free_port()
        self.front_url = f"https://localhost:{self.port}"
        self.url = f"https://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.root = self._tenant_file(10000000, "super")
        self.parent = self._tenant_file(10000001, "gateway")
        self.users = [{"username": "alice", "password": PASSWORD}, {"username": "bob", "password": "bob's own"}]
        self.settings: dict[str, Any] = {
            "listen": [f"127.0.0.1:{self.port}"],
            "certificate": "site.crt",
            "key": "site.key",
            "front_url": self.front_url,
            "state_file": "custos.sqlite3",
            "tenant_files": ["super.json", "gateway.json"],
            "users_file": "users.json",
            "fault_endpoint": True,
            **settings,
        }

    def _tenant_file(self, tenant_id: int, name: str) -> dict[str, str]:
        tenant = {
            "tenant_id": str(tenant_id),
            "client_id": f"custos-{'a1b2c3d4e5' * 2}-{tenant_id}",
            "client_secret": f"secret+/{name}",
            "client_name": name,
            "domain": f"{name}.example.org",
            "requester_email": f"{name}@example.org",
            "admin_username": f"{name}-admin",
            "admin_password": f"{name} password",
        }
        (self.folder / f"{name}.json").write_text(json.dumps(tenant))
        return tenant

    def write(self, name: str, content: Any) -> None:
        """One more file beside the configuration."""
        (self.folder / name).write_text(json.dumps(content))

    def start(self) -> Server:
        (self.folder / "users.json").write_text(json.dumps({"users": self.users}))
        (self.folder / "config.json").write_text(json.dumps(self.settings))
        environment = {**os.environ, "PYTHONPATH": str(TOP / "services" / "custos_double")}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "custos_double", "--config", str(self.folder / "config.json")], env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        with self.client() as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/healthz").status_code == 200:
                        return self
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the server did not start: {(self.folder / 'server.log').read_text()}")
                time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(timeout=15)
        self.process = None

    def restart(self, *, kill: bool = False) -> None:
        self.stop(kill=kill)
        self.start()

    def client(self, base: str | None = None) -> httpx.Client:
        return self.client_of(base or self.url, self.ca)

    @staticmethod
    def client_of(base: str, ca: Path) -> httpx.Client:
        """An HTTP client with a cookie jar that trusts one authority only."""
        return httpx.Client(base_url=base, verify=ssl.create_default_context(cafile=str(ca)), trust_env=False, timeout=60)

    def faults(self, **values: Any) -> None:
        with self.client() as client:
            response = client.put("/double/faults", json=values)
        assert response.status_code == 200, response.text

    def calm(self) -> None:
        self.faults(approval_delay_seconds=None, unavailable_count=0, unavailable_path="/", slow_seconds=0, expired_tokens=False, clock_skew_seconds=0)


def client_token(tenant: dict[str, str], scheme: str = "Bearer") -> dict[str, str]:
    token = base64.b64encode(f"{tenant['client_id']}:{tenant['client_secret']}".encode()).decode()
    return {"Authorization": f"{scheme} {token}"}


TENANT = "/apiserver/tenant-management/v1.0.0"
IDENTITY = "/apiserver/identity-management/v1.0.0"
USERS = "/apiserver/user-management/v1.0.0"
GROUPS = "/apiserver/group-management/v1.0.0"
SECRETS = "/apiserver/resource-secret-management/v1.0.0"
ID2, TENANT2, USER2, GROUP2 = (f"/api/v1/{name}" for name in ("identity-management", "tenant-management", "user-management", "group-management"))


def admin_token(client: httpx.Client, tenant: dict[str, str]) -> dict[str, str]:
    values = {"grant_type": "password", "username": tenant["admin_username"], "password": tenant["admin_password"]}
    answer = client.post(f"{IDENTITY}/token", json=values, headers=client_token(tenant))
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def tenant_values(name: str = "hub", **changes: Any) -> dict[str, Any]:
    values = {
        "client_name": name,
        "requester_email": "ops@example.org",
        "admin_first_name": "Ada",
        "admin_last_name": "Admin",
        "admin_email": "ada@example.org",
        "admin_username": "hub-admin",
        "admin_password": "hub admin password",
        "redirect_uris": ["https://hub.example.org/hub/oauth_callback"],
        "client_uri": "https://hub.example.org/hub/logged-out",
        "scope": "openid profile email",
        "domain": "hub.example.org",
        "application_type": "web",
    }
    return {**values, **changes}


def make_child(client: httpx.Client, parent: dict[str, str], name: str = "hub", **changes: Any) -> dict[str, Any]:
    """Register a child tenant and read its credentials."""
    answer = client.post(f"{TENANT}/oauth2/tenant", json=tenant_values(name, **changes), headers=client_token(parent))
    assert answer.status_code == 200, answer.text
    created: dict[str, Any] = answer.json()
    own = client_token({"client_id": created["client_id"], "client_secret": created["client_secret"]})
    credentials = client.get(f"{IDENTITY}/credentials", params={"client_id": created["client_id"]}, headers=own)
    assert credentials.status_code == 200, credentials.text
    return {**created, **credentials.json(), "realm": created["client_id"].rpartition("-")[2]}


def own(child: dict[str, Any]) -> dict[str, str]:
    return client_token({"client_id": child["client_id"], "client_secret": child["client_secret"]})


def message_of(answer: httpx.Response, status: int, code: int) -> str:
    """The message of an error object, after checking its shape."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"code", "message", "details"}
    assert body["code"] == code
    return str(body["message"])


def said(answer: httpx.Response) -> tuple[int, str]:
    """(status, text) of a refusal of the second API."""
    assert answer.headers["content-type"].startswith("text/plain"), answer.text
    return answer.status_code, answer.text
