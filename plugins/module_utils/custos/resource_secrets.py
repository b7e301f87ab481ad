# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a secret that Custos keeps should be like, compared with what it is. Pure: no calls in here.

Custos tells what kind a secret is, whose, and its description; the contents are not fetched to be compared. Instead a label at the end of the
description says what they are: a salt, and what scrypt makes of the contents with it. Guessing a password from it is as slow as from a password file.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.steps import Steps

CONTENTS = {"ssh": ("private_key", "public_key", "passphrase"), "password": ("password", "user_id")}  # what a secret of each kind holds
LABEL = re.compile(r" ?\[scrypt:([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{32})\]$")
LONGEST = 255  # characters of a description with its label: what Custos' database takes


def _digest(salt: str, values: Mapping[str, str]) -> str:
    contents = json.dumps({name: value for name, value in sorted(values.items()) if value}).encode()
    return base64.urlsafe_b64encode(hashlib.scrypt(contents, salt=salt.encode(), n=2**15, r=8, p=1, maxmem=2**26, dklen=24)).decode()


def with_label(description: str, values: Mapping[str, str], salt: str | None = None) -> str:
    """A description with the label of ``values`` at its end. Raises CustosError when it gets too long."""
    salt = salt or base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
    labelled = f"{description} [scrypt:{salt}:{_digest(salt, values)}]".strip()
    if len(labelled) > LONGEST:
        raise CustosError(
            f"description has {len(description)} characters; {LONGEST - len(labelled) + len(description)} fit beside the label that is kept in it."
        )
    return labelled


def split(description: str) -> tuple[str, str]:
    """A stored description as people wrote it, and its label or nothing."""
    found = LABEL.search(description)
    return (description[: found.start()], found[0].strip()) if found else (description, "")


def fits(label: str, values: Mapping[str, str]) -> bool:
    """Whether a label is that of ``values``."""
    found = LABEL.search(label)
    return found is not None and hmac.compare_digest(_digest(found[1], values), found[2])


def checked(kind: str, contents: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The contents that were given for ``kind``; raises CustosError for those of another kind, and for half a key pair."""
    strange = sorted(name for other, values in contents.items() if other != kind for name, value in values.items() if value)
    if strange:
        raise CustosError(f"A secret of type {kind} has no {', '.join(strange)}; it has {', '.join(CONTENTS[kind])}.")
    values = {name: value for name, value in contents[kind].items() if value}
    if kind == "ssh" and bool(values.get("private_key")) != bool(values.get("public_key")):
        raise CustosError("private_key and public_key go together: Custos makes a pair of its own when it gets no public key.")
    if kind == "password" and values and not values.get("password"):
        raise CustosError("user_id goes together with password: Custos keeps both or neither.")
    return values


def plan(current: Mapping[str, Any] | None, name: str, desired: Mapping[str, Any], contents: Mapping[str, Mapping[str, str]], state: str) -> Steps:
    """What makes ``current`` (None: there is no such secret) like ``desired``: kind, owner, description (None: leave it).

    ``contents`` are those that were given, by kind as in ``CONTENTS``; none are left as they are.

    ``current`` has kind, owner, and the description as it is stored. Custos cannot change a secret, so a change deletes it and makes it again.
    """
    label, before = "", dict[str, Any]()
    if current is not None:
        text, label = split(current["description"])
        before = {"name": name, "kind": current["kind"], "owner": current["owner"], "description": text, "contents": "kept"}
    if state == "absent":
        return Steps(before, {}, [("delete", {"kind": before["kind"]})]) if before else Steps()
    if before and before["kind"] != desired["kind"]:
        raise CustosError(f"Secret {name} is of type {before['kind']}: take it away first, or use another name.")
    values = checked(desired["kind"], contents)
    after = {
        "name": name,
        "kind": desired["kind"],
        "owner": before.get("owner", "") if desired.get("owner") is None else desired["owner"],
        "description": before.get("description", "") if desired.get("description") is None else desired["description"],
    }
    same = bool(before) and (not values or fits(label, values))
    if same and all(before[key] == value for key, value in after.items()):
        return Steps(before, dict(before))
    if before and not values:
        raise CustosError(f"Secret {name} is to be changed, which Custos does by making it again: its contents must be given, too.")
    if not before and desired["kind"] == "password" and not values:
        raise CustosError(f"Secret {name} does not exist yet, and to make it password must be given.")
    if not after["owner"]:
        raise CustosError(f"Secret {name} does not exist yet, and to make it owner must be given: whose it is.")
    stored = with_label(after["description"], values) if values else after["description"]
    calls: list[tuple[str, dict[str, Any]]] = [("delete", {"kind": desired["kind"]})] if before else []
    calls.append(("create", {"kind": desired["kind"], "owner": after["owner"], "description": stored, "values": values}))
    return Steps(before, {**after, "contents": "kept" if same else "new"}, calls)
