# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What everything of a user is called. Pure, and imports nothing of this package: the hub reads this very file too.

A name never changes and never comes to stand for somebody else: a home's place on the disk is made of it (``<namespace>/home``).
"""

from __future__ import annotations

import hashlib
import re

GROUP = "hub.airavata.org"
VERSION = "v1alpha1"
PLURAL = "userspaces"
KIND = "UserSpace"
SPACE_LABEL = f"{GROUP}/space"  # on everything that is made for a space; its value is the space's name
USER_ANNOTATION = f"{GROUP}/user"
UID_ANNOTATION = f"{GROUP}/uid"
GID_ANNOTATION = f"{GROUP}/gid"
RESTORE_ANNOTATION = f"{GROUP}/restore"
FINALIZER = f"{GROUP}/user-space"
HOME_CLAIM = "home"
SHARED_PREFIX = "shared-"
IDS_CONFIG_MAP = "user-space-ids"
USER_PODS_ROLE = "hub-user-pods"

NAME_LENGTH = 40
PREFIX_LENGTH = 63 - NAME_LENGTH
_PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DIGEST = 16  # hexadecimal digits: 64 bits, so nobody can look for a user name that gives another's


def space_name(user: str) -> str:
    """Return the name of a user's space: a DNS label of at most 40 characters.

    A name that is such a label stays as it is, ``alice``. Any other becomes ``<readable part>--<digest>``; two dashes in a row are in no
    plain label, so the two kinds cannot meet, and two of the second kind meet only if 64 bits of SHA-256 do.
    """
    if _PLAIN.fullmatch(user) and len(user) <= NAME_LENGTH:
        return user
    digest = hashlib.sha256(user.encode()).hexdigest()[:_DIGEST]
    readable = re.sub(r"[^a-z0-9]+", "-", user.lower()).strip("-")[: NAME_LENGTH - _DIGEST - 2].rstrip("-") or "x"
    return f"{readable}--{digest}"


def namespace_name(prefix: str, user: str) -> str:
    """Return the name of a user's namespace, at most 63 characters with a prefix of at most 23."""
    return prefix + space_name(user)


def shared_name(folder: str) -> str:
    """Return the name of a shared folder's storage class, and of its claim in each member's namespace."""
    return SHARED_PREFIX + folder
