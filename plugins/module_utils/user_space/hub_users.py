# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names of a hub's users, asked page by page of its REST API (https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_PAGINATED = "application/jupyterhub-pagination+json"


class HubError(Exception):
    """The hub was not asked, or gave no list."""


def hub_users(url: str, token: str, open_url: Callable[..., Any], page: int = 200, **options: Any) -> list[str]:
    """Return the names of all users of the hub at ``url``, in its order.

    :param token: an API token with the scope ``list:users``.
    :param open_url: that of ansible.module_utils.urls, which gets ``options``.
    :param page: users to ask for at once; a hub gives 200 at most.
    :raises HubError: with what to do.
    """
    api, offset = f"{url.rstrip('/')}/hub/api/users", 0
    found: list[str] = []
    while True:
        where = f"{api}?limit={page}&offset={offset}"
        try:
            with open_url(where, headers={"Authorization": f"token {token}", "Accept": _PAGINATED}, **options) as answer:
                listed = json.load(answer)
            found += [str(user["name"]) for user in listed["items"]]
            following = listed["_pagination"]["next"]
            if following is None:
                return found
            if following["offset"] <= offset:
                raise HubError(f"GET {where} says that its next page begins at {following['offset']}.")
            offset = following["offset"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            hint = " The hub does not know this token, or the token may not list users." if getattr(error, "code", 0) in (401, 403) else ""
            raise HubError(f"GET {where} gave no list of users: {error!r}.{hint}") from error
