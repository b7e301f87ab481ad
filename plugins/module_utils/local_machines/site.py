# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder of a local site, and how everything of a site is taken away."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import disks, inventory, machines, network, process, services, ssh
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Machine, Site

MARKER = ".airavata-jupyterhub-site"
FOLDERS = ("", "ssh", "machines", "run", "log", "secrets")
PARENT = "airavata-jupyterhub"  # the folder of all sites, removed with the last of them


def owner(folder: Path) -> str | None:
    """Give the name of the site a folder belongs to; None when it says nothing."""
    try:
        return (folder / MARKER).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def folder_problem(site: Site, found: str | None, empty: bool) -> str:
    """Give one sentence when the folder must not be deleted as that of this site, else ''. ``empty``: it is missing or nothing is in it."""
    if empty or found == site.name:
        return ""
    whose = f"belongs to site '{found}'" if found else f"has no file {MARKER}, so it was not made for a site"
    return f"{site.state_dir} {whose}; nothing was deleted. Check hub_site and hub_state_dir."


def missing(site: Site) -> list[str]:
    """Give the folders that are missing or open to others, as paths."""
    wrong = []
    for name in FOLDERS:
        path = site.state_dir / name
        if not path.is_dir() or path.stat().st_mode & 0o777 != 0o700 or path.stat().st_uid != os.geteuid():
            wrong.append(str(path))
    return wrong


def make(site: Site, *, check: bool = False) -> list[str]:
    """Make the folders of a site, for root's eyes only, and mark them as the site's. Returns what was made."""
    found = owner(site.state_dir)
    if found not in (None, site.name):
        raise LocalError(f"hub_state_dir {site.state_dir} belongs to site '{found}'; give site '{site.name}' a folder of its own.")
    wrong = missing(site)
    if not check:
        for name in wrong:
            Path(name).mkdir(parents=True, exist_ok=True)
            Path(name).chmod(0o700)
            os.chown(name, os.geteuid(), os.getegid())
    if found is None:
        wrong.append(str(site.state_dir / MARKER))
        if not check:
            process.write_atomic(site.state_dir / MARKER, f"{site.name}\n")
    return wrong


def remove(site: Site, uid: int, *, check: bool = False) -> dict[str, list[str]]:
    """Take a site away: services, machines, stray processes, network, mounts, folder. Returns what was there (see `inventory.take`)."""
    before = inventory.take(site, uid)
    empty = not site.state_dir.is_dir() or not any(site.state_dir.iterdir())
    problem = folder_problem(site, owner(site.state_dir), empty)
    if problem:
        raise LocalError(problem)
    if check or not any(before.values()):
        return before
    ssh.drop_shared_connections(site.run_dir)
    for name in services.known(site.state_dir):
        services.stop(services.Service(name, site.state_dir))
    access = machines.Access(site.state_dir / "ssh" / "id_ed25519", site.state_dir / "known_hosts")
    everyone = [Machine(name) for name in machines.existing(site)]
    machines.remove(site, everyone, machines.DRIVERS["uml"](), machines.Limits(), access)
    end_strays(site)
    network.apply(network.plan_removal(site, network.read(site)))
    network.forget_namespaces_mount()
    for point in sorted(inventory.take(site, uid)["mounts"], reverse=True):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
    disks.delete(site.state_dir)
    if site.state_dir.parent.name == PARENT:
        with contextlib.suppress(OSError):
            site.state_dir.parent.rmdir()  # only when no other site is in it
    return before


def end_strays(site: Site) -> None:
    """End what belongs to the site and has no record: by SIGTERM, then by SIGKILL. Programs of others that only read its files are left alone."""
    for number, limit in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + limit
        while strays := inventory.ours(site):
            for pid in strays:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
