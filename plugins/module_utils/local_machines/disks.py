# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machines' disks: one shared read-only base, per machine a copy-on-write file, and where asked for a sparse data disk.

Every machine keeps the base it was made from: the site holds a hard link to it (or a copy, where the bundle is on another file system), so a
new bundle never pulls the ground from under a machine. A copy-on-write file is worthless without exactly its base.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.process import write_json
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Machine, Site

GIB = 2**30


@dataclass(frozen=True)
class Folder:
    """Where the parts of one machine are. ``disk`` and ``console`` belong to the machine's own user, the rest to root."""

    path: Path

    @property
    def definition(self) -> Path:
        """Which base the disk was made from, and whether the machine ever answered."""
        return self.path / "machine.json"

    @property
    def record(self) -> Path:
        """Record of its process while it is meant to run."""
        return self.path / "process.json"

    @property
    def exit(self) -> Path:
        """How its last process ended."""
        return self.path / "process.json.exit"

    @property
    def log(self) -> Path:
        """Output of its console."""
        return self.path / "console.log"

    @property
    def disk(self) -> Path:
        """Folder of its disks."""
        return self.path / "disk"

    @property
    def root_disk(self) -> Path:
        """Its copy-on-write file."""
        return self.disk / "root.cow"

    @property
    def data_disk(self) -> Path:
        """Its second disk."""
        return self.disk / "data.img"

    @property
    def console(self) -> Path:
        """Folder of its management console's socket."""
        return self.path / "console"


def folder_of(site: Site, name: str) -> Folder:
    """Give the folder of a machine."""
    return Folder(site.machines_dir / name)


def definition_of(folder: Folder) -> dict[str, Any]:
    """Read what is written about a machine's disk; empty when nothing is (it was never finished)."""
    try:
        data = json.loads(folder.definition.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise LocalError(f"{folder.definition} is damaged ({error}); destroy the site and make it again.") from error
    return dict(data)


def manifest_sha256(path: Path) -> str:
    """Read the base disk's checksum from a bundle's manifest; '' when there is no manifest or it does not tell."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return str(data["disks"]["machine"]["sha256"])
    except (FileNotFoundError, KeyError):
        return ""
    except (ValueError, TypeError) as error:
        raise LocalError(f"The bundle's manifest {path} is damaged ({error}); make the bundle again (ansible-playbook site.yml --tags bundle).") from error


def base_id(path: Path, sha256: str) -> str:
    """Give a short identity of a base disk (or kernel): of its checksum, or of size and time where no checksum is known."""
    if sha256:
        return sha256[:12]
    stat = path.stat()
    return f"{stat.st_size:x}-{int(stat.st_mtime):x}"


def base_path(site: Site, identity: str) -> Path:
    """Give the site's own name of a base disk."""
    return site.machines_dir / f"base-{identity}.ext4"


def keep_base(site: Site, source: Path, identity: str) -> Path:
    """Make sure the site holds a base disk: a hard link where possible, else a sparse copy that is renamed into place when whole."""
    target = base_path(site, identity)
    if target.exists():
        return target
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        done = subprocess.run(
            ["cp", "--sparse=always", "--reflink=auto", "--preserve=timestamps", str(source), str(temporary)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            temporary.unlink(missing_ok=True)
            raise LocalError(f"Copying the base disk {source} to {target} failed: {done.stderr.strip()}.") from None
    temporary.replace(target)
    return target


def stale_note(name: str, definition: Mapping[str, Any], identity: str) -> str:
    """Give one sentence when a machine's disk was made from another base than the bundle has now, else ''."""
    made_from = definition.get("base")
    if not made_from or made_from == identity:
        return ""
    return (
        f"Machine '{name}' was made from base disk {made_from}, the bundle now has {identity}: it keeps its own disk and base, and the roles bring its"
        " programs up to date; to start it from the new base, destroy the site and make it again (that deletes the users' files)."
    )


def data_disk_problem(machine: Machine, size_bytes: int) -> str:
    """Give one sentence when the existing data disk is larger than asked for: shrinking would cut off data."""
    if size_bytes > machine.data_disk_gib * GIB and machine.data_disk_gib:
        return (
            f"The data disk of '{machine.name}' has {size_bytes / GIB:g} GiB and local_machines_data_disk_gib is {machine.data_disk_gib}:"
            " a disk is never made smaller, for that would cut off files; set the old size or a larger one."
        )
    return ""


def prepare(site: Site, machine: Machine, *, base: Path, identity: str, uid: int) -> list[str]:
    """Make or complete the disks of a machine that is switched off. Returns what was done.

    A machine that never answered after it was made (its first boot was interrupted) starts over with a clean copy-on-write file: nothing of worth can
    be in it. Any other disk is kept as it is.
    """
    folder = folder_of(site, machine.name)
    definition = definition_of(folder)
    done = []
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder.path / "mnt").mkdir(exist_ok=True)
    for path in (folder.disk, folder.console):
        path.mkdir(exist_ok=True, mode=0o700)
        os.chown(path, uid, uid)
    if not definition.get("booted"):
        if folder.root_disk.exists():
            folder.root_disk.unlink()
        keep_base(site, base, identity)
        write_json(folder.definition, {"base": identity, "booted": False, "address": machine.address})
        done.append("root disk made")
    elif not folder.root_disk.exists():
        raise LocalError(f"The disk {folder.root_disk} of machine '{machine.name}' is gone; destroy the site and make it again.")
    elif not base_path(site, str(definition["base"])).exists():
        raise LocalError(
            f"The base disk {base_path(site, str(definition['base']))} of machine '{machine.name}' is gone and its own disk is worthless without it;"
            " destroy the site and make it again."
        )
    if machine.data_disk_gib:
        wanted = machine.data_disk_gib * GIB
        size = folder.data_disk.stat().st_size if folder.data_disk.exists() else 0
        problem = data_disk_problem(machine, size)
        if problem:
            raise LocalError(problem)
        if size < wanted:
            with folder.data_disk.open("ab") as stream:
                stream.truncate(wanted)
            folder.data_disk.chmod(0o600)
            done.append("data disk grown" if size else "data disk made")
    for path in folder.disk.iterdir():
        os.chown(path, uid, uid)  # the number may have been changed in the inventory
    # A pid file of an earlier kernel may name a pid that now belongs to another process: the new one would take another console name.
    for leftover in folder.console.iterdir():
        shutil.rmtree(leftover, ignore_errors=True)
    return done


def mark_booted(folder: Folder) -> None:
    """Write down that the machine answered: from now on its disk is never made anew."""
    definition = definition_of(folder)
    if not definition.get("booted"):
        write_json(folder.definition, {**definition, "booted": True})


def drop_unused_bases(site: Site) -> None:
    """Remove base disks that no machine was made from, and what interrupted runs left."""
    used = {str(definition_of(Folder(path)).get("base")) for path in site.machines_dir.iterdir() if path.is_dir()}
    for path in site.machines_dir.glob("*base-*.ext4*"):
        if path.name not in {f"base-{identity}.ext4" for identity in used}:
            path.unlink()


def delete(folder: Path) -> None:
    """Delete a folder with everything in it. A keeper that ends at this moment may write one more file, so it is tried more than once."""
    for attempt in range(5):
        if not folder.exists():
            return
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if attempt == 4:
                raise LocalError(f"Deleting {folder} failed: {error}.") from error
            time.sleep(0.2)
