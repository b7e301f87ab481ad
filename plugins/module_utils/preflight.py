# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must hold before a site is touched: pure checks that turn facts into sentences."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

KNOWN_GROUPS = ("all", "ungrouped", "hub_control_plane", "hub_workers", "hub_storage", "hub_absent")


def group_problems(groups: Mapping[str, list[str]], known: Iterable[str] = KNOWN_GROUPS) -> list[str]:
    """Check the groups of an inventory.

    ``groups`` maps a group's name to its hosts. Returns one sentence per problem: a ``hub_`` group nobody reads (a typo leaves a
    machine out silently), and groups that have too few or too many hosts.
    """
    problems = []
    for name in sorted(groups):
        if name.startswith("hub_") and name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            choices = ", ".join(group for group in known if group.startswith("hub_") and group != "hub_absent")
            hint = f"; did you mean '{near[0]}'?" if near else f"; known groups are {choices}."
            problems.append(f"The inventory has an unknown group '{name}'{hint}")
    for name, smallest, largest in (("hub_control_plane", 1, 1), ("hub_workers", 1, None), ("hub_storage", 1, 1)):
        count = len(groups.get(name, []))
        if count < smallest or (largest is not None and count > largest):
            wanted = f"exactly {smallest}" if smallest == largest else f"at least {smallest}"
            problems.append(f"The inventory group '{name}' has {count} hosts; it needs {wanted}.")
    roles: dict[str, str] = {}
    for name in ("hub_control_plane", "hub_workers", "hub_storage"):
        for host in groups.get(name, []):
            if host in roles:
                problems.append(f"Host '{host}' is in the groups '{roles[host]}' and '{name}'; a machine has one part.")
            roles[host] = name
    return problems


def unknown_inputs(variables: Iterable[str], options: Iterable[str], roles: Iterable[str]) -> list[str]:
    """Find variables that look like an input of a role but are none: a typo would otherwise be ignored without a word.

    ``variables`` are the names the inventory sets, ``options`` every documented input, ``roles`` the names of the roles.
    """
    known = set(options)
    prefixes = tuple(f"{role}_" for role in roles)
    problems = []
    for name in sorted(set(variables) - known):
        if name.startswith(prefixes):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"; did you mean '{near[0]}'?" if near else "; no role reads it."
            problems.append(f"The inventory sets an unknown variable '{name}'{hint}")
    return problems


def type_problems(options: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[str]:
    """Check the values an inventory sets against their argument specs: types, choices, formats of lists and dictionaries.

    ``options`` maps names to argument specs; ``required`` and ``default`` are left aside, since only what is set is checked.
    """
    spec = {name: {key: value for key, value in options[name].items() if key not in ("required", "default")} for name in inputs}
    result = ArgumentSpecValidator(spec).validate(dict(inputs))
    return [f"The inventory is wrong: {message}." for message in result.error_messages]


def host_problems(facts: Mapping[str, Any]) -> list[str]:
    """Check the deploy host.

    ``facts`` has ``root`` (bool), ``needs_root`` (bool), ``builds`` (bool: the bundle must be compiled here), ``apt`` (bool), ``overlay`` (bool),
    ``python`` (tuple of two ints), ``disk_free_gib`` and ``disk_needed_gib`` (float), ``cache_dir`` (str), ``busy_ports`` (list of "address:port").
    """
    problems = []
    if facts["needs_root"] and not facts["root"]:
        problems.append("This needs root on the deploy host (it makes machines, networks and file systems): run it as root.")
    if facts["builds"] and not facts["apt"]:
        problems.append("Building the bundle needs a Debian or Ubuntu deploy host (apt-get was not found); set hub_bundle_source: download instead.")
    if facts["builds"] and not facts["overlay"]:
        problems.append("This kernel has no overlay file system (see /proc/filesystems; try: modprobe overlay), which building images needs.")
    if not (3, 11) <= tuple(facts["python"]) <= (3, 13):
        problems.append(f"Ansible runs on Python {'.'.join(map(str, facts['python']))}; 3.11, 3.12 and 3.13 are supported.")
    if facts["disk_free_gib"] < facts["disk_needed_gib"]:
        problems.append(
            f"{facts['cache_dir']} has {facts['disk_free_gib']:.1f} GiB free; the bundle and the machines need {facts['disk_needed_gib']:.0f}."
            " Free some space or set hub_cache_dir to a larger disk."
        )
    for port in facts["busy_ports"]:
        problems.append(f"{port} is taken by another program; end it or choose another address (hub_url, hub_login_front_url).")
    return problems
