# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The list of user ids: who has which, for ever. Pure.

It is a ConfigMap beside the UserSpaces, ``{<space name>: "<uid>"}``. Entries are only added: a user who was deleted and comes back owns
their archive again, and nobody else ever does. It is written before the id is used, with the version that was read, so two writers cannot
give one id twice. 1 MiB, the limit of a ConfigMap, is room for 25,000 users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .spec import NOBODY

Wish = tuple[str, "int | None"]


def assign(known: Mapping[str, int], wishes: Iterable[Wish], first: int) -> dict[str, int]:
    """Return the entries to add for those of ``wishes`` (space name, wanted id or None) that have none.

    A wanted id is given if nobody has or had it; otherwise, and without a wish, the first one from ``first`` on that nobody has or had.
    """
    added: dict[str, int] = {}
    taken = set(known.values())
    waiting = [(name, wanted) for name, wanted in wishes if name not in known]
    for name, wanted in waiting:  # wishes first, so that nobody without one is given what another has asked for
        if wanted is not None and wanted not in taken and name not in added:
            added[name] = wanted
            taken.add(wanted)
    number = first
    for name, _wanted in waiting:
        if name not in added:
            while number in taken or number in NOBODY:
                number += 1
            added[name] = number
            taken.add(number)
    return added


def read(data: Mapping[str, str] | None) -> dict[str, int]:
    """Return the list in a ConfigMap's ``data``. Raises ValueError naming an entry that is no number."""
    found = {}
    for name, text in (data or {}).items():
        if not text.isascii() or not text.isdecimal():
            raise ValueError(f"the entry {name} of the list of user ids is {text!r}, not a number; mend it by hand")
        found[name] = int(text)
    return found
