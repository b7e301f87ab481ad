"""Answers of a real Keycloak as files, and the comparison of another answer with them: status, headers that matter, and the shape of the body."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx

FOLDER = Path(__file__).parent / "recorded"
# Keys whose values held for one run only: secrets, ids, times.
OF_ONE_RUN = re.compile(
    r"access_token|refresh_token|id_token|secret|value|password|id|\w+Id|sub|sid|jti|kid|n|code|x5\w+|x5t#S256|session_state|at_hash|nonce|createdTimestamp"
    r"|client\.secret\.creation\.time|iat|exp|auth_time|\w*client_(id|secret)|\w+_at|\w+_time|registration_client_uri|loginURI|\w*tenant_id"
)
KEPT = ("clientId",)
SAID = ("error", "error_description", "errorMessage", "message")  # what a program decides by: these are compared as they are


def shape(value: Any) -> Any:
    """Types instead of values. A list is the shape of what is in it, once: the union of the keys of its objects."""
    if isinstance(value, dict):
        return {name: item if name in SAID else shape(item) for name, item in sorted(value.items())}
    if isinstance(value, list):
        items = [shape(item) for item in value]
        if items and all(isinstance(item, dict) for item in items):
            return [{name: item[name] for item in items for name in sorted(item)}]
        return [items[0]] if items else []
    return {bool: "bool", int: "number", float: "number", str: "text", type(None): "null"}[type(value)]


def scrubbed(value: Any, name: str = "") -> Any:
    """The same without what only held for one run: secrets, ids, times."""
    if isinstance(value, dict):
        return {key: scrubbed(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item, name) for item in value]
    if OF_ONE_RUN.fullmatch(name) and name not in KEPT and isinstance(value, str | int | float) and not isinstance(value, bool):
        return "-" if isinstance(value, str) else type(value)(0)
    if not isinstance(value, str):
        return value
    value = re.sub(r"(?<=https://localhost):\d+|(?<=https://127\.0\.0\.1):\d+| at line \d+ column \d+", "", value)
    return re.sub(r"\b1\d{7}\b", "<tenant>", re.sub(r"\bcustos-\w{20}-", "custos-", value))


def described(answer: httpx.Response, body: Any = None) -> dict[str, Any]:
    """What is kept of an answer; ``body`` takes the place of its JSON."""
    headers = {}
    if answer.content and not answer.is_redirect:
        headers["content-type"] = answer.headers["content-type"].partition(";")[0]
    if "no-store" in answer.headers.get("cache-control", ""):
        headers["cache-control"] = "no-store"
    if "www-authenticate" in answer.headers:
        headers["www-authenticate"] = re.sub(r'realm="[^"]*", ', "", answer.headers["www-authenticate"])
    told: dict[str, Any] = {"status": answer.status_code, "headers": headers, "location": "location" in answer.headers}
    if body is None and headers.get("content-type") == "application/json":
        body = answer.json()
    return {**told, "body": scrubbed(body)} if body is not None else told


def differences(real: Any, other: Any, whole: bool, where: str = "body") -> list[str]:
    """What ``other`` has in another shape than ``real``; when it need not be ``whole``, keys may be missing, but none may be made up."""
    if isinstance(real, dict) and isinstance(other, dict):
        found = [f"{where}.{name} is made up" for name in other if name not in real]
        if whole:
            found += [f"{where}.{name} is missing" for name in real if name not in other]
        return found + [line for name in other if name in real for line in differences(real[name], other[name], whole, f"{where}.{name}")]
    if isinstance(real, list) and isinstance(other, list):
        return differences(real[0], other[0], whole, f"{where}[]") if real and other else []
    return [] if real == other else [f"{where} is {other}, not {real}"]


class Recordings:
    """All recorded answers of one group of tests, by name."""

    def __init__(self, name: str, write: bool, origin: str) -> None:
        self.path = FOLDER / f"{name}.json"
        self.write = write
        self.origin = origin
        self.answers: dict[str, Any] = {} if write else json.loads(self.path.read_text(encoding="utf-8"))["answers"]

    def see(self, name: str, answer: httpx.Response, body: Any = None, whole: bool = True) -> None:
        """Record an answer, or compare it with the one that was recorded under this name."""
        told = described(answer, body)
        if self.write:
            self.answers[name] = told
            return
        real = self.answers[name]
        found = [f"{part} is {told[part]}, not {real[part]}" for part in ("status", "location") if told[part] != real[part]]
        found += differences(real["headers"], told["headers"], True, "headers")
        found += differences(shape(real.get("body")), shape(told.get("body")), whole)
        assert not found, f"{name}: {'; '.join(found)}"

    def close(self) -> None:
        if self.write:
            content = {"origin": self.origin, "answers": self.answers}
            self.path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
