# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the makers of items are given, and what they give back."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle import debian
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.commands import Runner
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import Catalogue, Item
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import Places, Record, Store


@dataclass(frozen=True)
class Site:
    """What all jobs of one build share. ``programs_dir`` holds programs.yml and main programs, ``images_dir`` the images' folders."""

    places: Places
    programs_dir: Path
    images_dir: Path
    catalogue: Catalogue
    store: Store
    environment: Mapping[str, str]
    cores: int
    archive: str = ""  # of Debian packages; empty: the host's

    def debian_archive(self) -> str:
        """Give the address of the archive that Debian packages come from."""
        return self.archive or debian.host_archive()


@dataclass(frozen=True)
class Made:
    """What a maker made: ``outputs`` maps paths below the bundle's folder to finished files, which are moved there."""

    outputs: Mapping[str, Path] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One item to make. ``scratch`` is an empty folder that is removed afterwards."""

    site: Site
    item: Item
    scratch: Path
    run: Runner
    stop: threading.Event

    def record(self, need: str) -> Record:
        """Give the record of a made item. Raises :class:`BundleError` when it has none, which the plan excludes."""
        record = self.site.store.read(need)
        if record is None:
            raise BundleError(f"'{need}' was to be made before '{self.item.name}'.")
        return record

    def tool(self, name: str) -> Path:
        """Give the folder of a tool."""
        return self.site.places.cache / str(self.record(f"tool {name}").facts["paths"][0])

    def kept(self, what: str) -> Path:
        """Give a folder that outlives an interrupted build, for this very recipe. Others of the same name are removed."""
        parent = self.site.places.work / "build"
        folder = parent / f"{what}-{self.item.digest[:16]}"
        parent.mkdir(parents=True, exist_ok=True)
        for other in parent.glob(f"{what}-{'?' * 16}"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        return folder

    def relative(self, path: Path) -> str:
        """Give a path below the cache's folder."""
        return str(path.relative_to(self.site.places.cache))


def build_environment(base: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of build steps: the caller's, without what would make the result depend on who calls."""
    dropped = ("LANG", "LANGUAGE", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "APT_CONFIG", "MAKEFLAGS", "CFLAGS", "LDFLAGS", "NODE_OPTIONS", "TMPDIR")
    kept = {key: value for key, value in base.items() if key not in dropped and not key.startswith(("LC_", "ANSIBLE_"))}
    path = kept.get("PATH", "")
    needed = [folder for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin") if folder not in path.split(":")]
    return {
        **kept,
        "PATH": ":".join([path, *needed] if path else needed),
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "HOME": kept.get("HOME", "/root"),
    }


def python() -> str:
    """Give the interpreter that makes environments of tools."""
    return sys.executable


def copy_tree(source: Path, target: Path) -> None:
    """Copy files into a root file system: owner root, mode 0755 for folders and what is executable, else 0644; never through a file's other names."""
    for folder, names, files in os.walk(source):
        names[:] = sorted(name for name in names if name != "__pycache__")
        place = target / Path(folder).relative_to(source)
        if not place.is_dir():
            place.mkdir(mode=0o755, parents=True)
        for name in files:
            entry, copy = Path(folder) / name, place / name
            if copy.is_symlink() or copy.exists():
                copy.unlink()
            if entry.is_symlink():
                copy.symlink_to(os.readlink(entry))
            else:
                shutil.copyfile(entry, copy)
                copy.chmod(0o755 if entry.stat().st_mode & 0o100 else 0o644)


def place_programs(bundle: Path, programs: Mapping[str, str], root: Path, link: bool) -> None:
    """Put programs into a root file system. Several names of one file stay so; ``link`` takes the bundle's own file where it can."""
    first: dict[tuple[int, int], Path] = {}
    for name, where in sorted(programs.items()):
        source, target = bundle / "programs" / name, root / where.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() or target.exists():
            target.unlink()
        state = source.stat()
        known = first.setdefault((state.st_dev, state.st_ino), target)
        if known != target:
            os.link(known, target)
        elif link:
            try:
                os.link(source, target)
            except OSError:  # another file system
                shutil.copy2(source, target)
        else:
            shutil.copyfile(source, target)
        if not link:
            target.chmod(0o755)
