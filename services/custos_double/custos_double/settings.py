"""The configuration file: one JSON object, checked before anything starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from custos_double.errors import SettingsError

SUPER_TENANT_ID = 10000000


@dataclass
class Faults:
    """Trouble on purpose, for tests of those who call this server."""

    approval_delay_seconds: float | None = None  # None: a tenant that asked waits until an administrator acts
    unavailable_count: int = 0  # so many answers are 503
    unavailable_path: str = "/"  # only paths that start so
    slow_seconds: float = 0.0
    expired_tokens: bool = False  # access tokens are issued already expired
    clock_skew_seconds: float = 0.0  # this server's clock is so much ahead (or behind, if negative)

    @classmethod
    def parse(cls, values: Mapping[str, Any], base: Faults | None = None) -> Faults:
        """Overlay ``values`` on ``base``; raises SettingsError for an unknown name or a wrong type."""
        result = cls(**vars(base)) if base else cls()
        kinds: dict[str, tuple[type, ...]] = {
            "approval_delay_seconds": (int, float, type(None)),
            "unavailable_count": (int,),
            "unavailable_path": (str,),
            "slow_seconds": (int, float),
            "expired_tokens": (bool,),
            "clock_skew_seconds": (int, float),
        }
        for name, value in values.items():
            if name not in kinds:
                raise SettingsError(f"faults: unknown setting '{name}'; known are {', '.join(kinds)}.")
            if not isinstance(value, kinds[name]) or (isinstance(value, bool) and bool not in kinds[name]):
                raise SettingsError(f"faults: '{name}' must not be {value!r}.")
            setattr(result, name, value)
        return result


@dataclass
class Tenant:
    """A tenant that exists from the start, with credentials made elsewhere."""

    tenant_id: int
    client_id: str
    client_secret: str
    client_name: str
    domain: str
    requester_email: str
    admin_username: str
    admin_password: str


@dataclass
class Keycloak:
    """A Keycloak that holds the tenants' realms in place of this program."""

    url: str  # with /auth, where it has that
    username: str
    password: str
    ca_file: Path | None  # None: the system's authorities


@dataclass
class Settings:
    """What the configuration file says."""

    listen: list[tuple[str, int]]
    certificate: Path
    key: Path
    front_url: str
    state_file: Path
    tenants: list[Tenant]
    users: list[dict[str, str]]
    keycloak_admin: dict[str, str] | None = None
    back_hosts: list[str] = field(default_factory=list)
    access_token_seconds: int = 1800
    session_idle_seconds: int = 3600
    session_max_seconds: int = 36000
    code_seconds: int = 60
    fault_endpoint: bool = False
    faults: Faults = field(default_factory=Faults)
    keycloak: Keycloak | None = None

    def base_for(self, host: str) -> str:
        """This server's address as somebody knows it who asked ``host``. The name goes into discovery, so it must be one of ours."""
        ports = {port for _host, port in self.listen}
        hosts = {name for name, _port in self.listen} | set(self.back_hosts) | {"localhost"}
        return f"https://{host}" if host in {f"{name}:{port}" for name in hosts for port in ports} else self.front_url


def _read_json(path: Path, what: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{what}: cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"{what}: {path} is not JSON: {error}.") from error


def _address(text: str) -> tuple[str, int]:
    host, _colon, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) < 65536:
        raise SettingsError(f"listen: '{text}' is not of the form address:port.")
    return host.strip("[]"), int(port)


def _tenant(path: Path) -> Tenant:
    raw = _read_json(path, "tenant_files")
    names = list(Tenant.__dataclass_fields__)
    missing = [name for name in names if not isinstance(raw, dict) or not raw.get(name)]
    if missing:
        raise SettingsError(f"tenant_files: {path} lacks {', '.join(missing)}.")
    tenant = Tenant(**{name: raw[name] for name in names} | {"tenant_id": int(raw["tenant_id"])})
    if tenant.client_id.rpartition("-")[2] != str(tenant.tenant_id):
        raise SettingsError(f"tenant_files: the client_id in {path} must end with '-{tenant.tenant_id}', its tenant_id.")
    return tenant


def _users(path: Path | None) -> list[dict[str, str]]:
    if path is None:
        return []
    raw = _read_json(path, "users_file")
    users = raw.get("users") if isinstance(raw, dict) else None
    if not isinstance(users, list) or not all(isinstance(user, dict) and user.get("username") and user.get("password") for user in users):
        raise SettingsError(f'users_file: {path} must look like {{"users": [{{"username": "..", "password": ".."}}]}}.')
    return [{str(key): str(value) for key, value in user.items()} for user in users]


def _login(path: Path, what: str) -> dict[str, str]:
    raw = _read_json(path, what)
    if not isinstance(raw, dict) or not raw.get("username") or not raw.get("password"):
        raise SettingsError(f'{what}: {path} must look like {{"username": "..", "password": ".."}}.')
    return {name: str(raw[name]) for name in ("username", "password")}


def _keycloak(raw: Any, folder: Path) -> Keycloak:
    names = {"url", "admin_file", "ca_file"}
    if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()) or not {"url", "admin_file"} <= set(raw) <= names:
        raise SettingsError('keycloak: it must look like {"url": "https://host:port/auth", "admin_file": "..", "ca_file": ".."}, the last one is optional.')
    if not raw["url"].startswith("https://"):
        raise SettingsError(f"keycloak: url '{raw['url']}' must begin with https://: passwords go there.")
    ca_file = folder / raw["ca_file"] if "ca_file" in raw else None
    return Keycloak(raw["url"].rstrip("/"), ca_file=ca_file, **_login(folder / raw["admin_file"], "keycloak admin_file"))


def load(path: Path) -> Settings:
    """Read and check the configuration; relative paths in it are relative to its folder. Raises SettingsError."""
    raw = _read_json(path, "configuration")
    if not isinstance(raw, dict):
        raise SettingsError(f"configuration: {path} must hold one JSON object.")
    needed = ("listen", "certificate", "key", "front_url", "state_file", "tenant_files")
    optional = (
        "users_file", "keycloak_admin_file", "back_hosts", "access_token_seconds", "session_idle_seconds", "session_max_seconds", "code_seconds",
        "fault_endpoint", "faults", "keycloak",
    )  # fmt: skip
    missing = [name for name in needed if not raw.get(name)]
    unknown = sorted(set(raw) - set(needed) - set(optional))
    if missing or unknown:
        parts = ([f"lacks {', '.join(missing)}"] if missing else []) + ([f"has unknown settings {', '.join(unknown)}"] if unknown else [])
        raise SettingsError(f"configuration: {path} {' and '.join(parts)}.")
    front = urlsplit(raw["front_url"])
    if front.scheme != "https" or not front.netloc or front.path not in ("", "/") or front.query:
        raise SettingsError(f"front_url: '{raw['front_url']}' must be https://host:port, without a path: browsers keep login cookies for TLS only.")
    folder = path.resolve().parent
    for name in optional:
        if name.endswith("_seconds") and name in raw and (not isinstance(raw[name], int) or raw[name] <= 0):
            raise SettingsError(f"configuration: {name} must be a positive number of seconds, not {raw[name]!r}.")
    clash = [name for name in ("users_file", "keycloak_admin_file") if raw.get("keycloak") and raw.get(name)]
    if clash:
        raise SettingsError(f"keycloak: not together with {' and '.join(clash)}; people and administrators are Keycloak's own then.")
    tenants = [_tenant(folder / name) for name in raw["tenant_files"]]
    if SUPER_TENANT_ID not in [tenant.tenant_id for tenant in tenants]:
        raise SettingsError(f"tenant_files: none of them is the super tenant (tenant_id {SUPER_TENANT_ID}).")
    return Settings(
        listen=[_address(text) for text in raw["listen"]],
        certificate=folder / raw["certificate"],
        key=folder / raw["key"],
        front_url=f"https://{front.netloc}",
        state_file=folder / raw["state_file"],
        tenants=tenants,
        users=_users(folder / raw["users_file"] if raw.get("users_file") else None),
        keycloak_admin=_login(folder / raw["keycloak_admin_file"], "keycloak_admin_file") if raw.get("keycloak_admin_file") else None,
        faults=Faults.parse(raw.get("faults", {})),
        keycloak=_keycloak(raw["keycloak"], folder) if raw.get("keycloak") else None,
        **{name: raw[name] for name in optional if name in raw and name not in ("users_file", "keycloak_admin_file", "faults", "keycloak")},
    )
