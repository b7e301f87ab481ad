# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the recipes' files to a plan, and from a plan to a bundle: what the modules call."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle import items, recipes
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.builder import Builder
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.debian import KEYRING
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError, RecipeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.job import Site, build_environment
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.manifest import manifest, problems
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.namespace import isolate_mounts
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.plan import plan
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import Places, Record, Store, locked, write_atomic

try:
    import yaml
except ImportError:  # the modules say so, see arguments.require_libraries
    HAS_YAML = False
else:
    HAS_YAML = True

# Programs of the host that building needs, and the Debian package of each.
HOST_PROGRAMS = {
    "bc": "bc",
    "bison": "bison",
    "buildah": "buildah",
    "flex": "flex",
    "gcc": "gcc",
    "make": "make",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "pkg-config": "pkg-config",
    "xz": "xz-utils",
}
HOST_FILES = {
    "/usr/include/libelf.h": "libelf-dev",
    "/usr/include/seccomp.h": "libseccomp-dev",
    "/usr/include/unistd.h": "libc6-dev",
    KEYRING: "debian-archive-keyring",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}


@dataclass(frozen=True)
class Wish:
    """What a site asks for. ``disks``: names of machine disks to make; ``images``: folders below ``images_dir``."""

    source: str
    cache_dir: Path
    versions_file: Path
    programs_dir: Path
    images_dir: Path
    images: Sequence[str]
    disks: Sequence[str]
    checksums: Mapping[str, str]
    bases: Mapping[str, str]
    archive: str = ""


def _yaml(path: Path) -> Any:
    try:
        with open(path, encoding="utf-8") as stream:
            return yaml.safe_load(stream)
    except FileNotFoundError as error:
        raise RecipeError(f"{path} is missing: there is no recipe of that name.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path} cannot be read: {error}") from error


def digest_of(path: Path) -> str:
    """Give a hash of a folder: relative names, whether executable, targets of links, content. Raises :class:`RecipeError` if it is missing."""
    if not path.is_dir():
        raise RecipeError(f"{path} is missing: there is no recipe of that name.")
    digest = hashlib.sha256()
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if name != "__pycache__")
        for name in sorted(files):
            entry = Path(folder) / name
            content = os.readlink(entry).encode() if entry.is_symlink() else entry.read_bytes()
            kind = "link" if entry.is_symlink() else "program" if entry.stat().st_mode & 0o100 else "file"
            digest.update(json.dumps([str(entry.relative_to(path)), kind, hashlib.sha256(content).hexdigest()]).encode())
    return digest.hexdigest()


def read_catalogue(wish: Wish) -> tuple[recipes.Versions, items.Catalogue]:
    """Read all recipes. Raises :class:`RecipeError`."""
    versions = recipes.parse_versions(_yaml(wish.versions_file), wish.versions_file.name)
    programs = recipes.parse_programs(_yaml(wish.programs_dir / "programs.yml"), versions)
    images = [image for folder in wish.images for image in recipes.parse_images(folder, _yaml(wish.images_dir / folder / "recipe.yml"), versions)]
    disks = [recipes.parse_disk(folder, _yaml(wish.images_dir / folder / "recipe.yml")) for folder in wish.disks]
    roots = {"program": wish.programs_dir, "image": wish.images_dir}

    def digest(name: str) -> str:
        kind, _colon, path = name.partition(":")
        return digest_of(roots[kind] / path)

    catalogue = items.catalogue(
        source=wish.source,
        versions=versions,
        programs=programs,
        images=images,
        disks=disks,
        digest_of=digest,
        checksums=wish.checksums,
        bases=wish.bases,
    )
    return versions, catalogue


@dataclass(frozen=True)
class Look:
    """What a look at a bundle says. ``reasons`` maps each item to make to why; ``steps`` are all names to make, in order."""

    catalogue: items.Catalogue
    versions: recipes.Versions
    steps: Sequence[str]
    reasons: Mapping[str, str]
    content: Mapping[str, Any]


def look(wish: Wish, verify: bool = False) -> Look:
    """Compare recipes with what is in the cache; reads only, and no content unless ``verify`` or where a file's time has changed."""
    versions, catalogue = read_catalogue(wish)
    store = Store(Places(wish.cache_dir))
    reasons: dict[str, str] = {}

    def is_done(item: items.Item) -> bool:
        if item.name not in reasons:
            reasons[item.name] = store.problem(item, verify)
            record = store.read(item.name)
            if not reasons[item.name] and item.kind == "registry" and record is not None:
                reasons[item.name] = _registry_problem(wish, record, verify)
        return not reasons[item.name]

    steps = plan(catalogue.items, catalogue.targets, is_done)
    content: dict[str, Any] = {}
    if not steps:
        content = _content(wish, versions, catalogue, store)
    return Look(catalogue, versions, steps, {name: reasons[name] for name in steps}, content)


def _registry_problem(wish: Wish, record: Record, verify: bool) -> str:
    bundle = Places(wish.cache_dir).bundle
    shown = {"schema": 1, "images": record.facts.get("images", {})}
    found = problems(shown, bundle, {}, verify)
    return found[0] if found else ""


def _content(wish: Wish, versions: recipes.Versions, catalogue: items.Catalogue, store: Store) -> dict[str, Any]:
    wanted = _closure(catalogue)
    records = {name: record for name in wanted for record in [store.read(name)] if record is not None and record.digest == catalogue.items[name].digest}
    return manifest(wish.source, versions.versions, catalogue, records)


def _closure(catalogue: items.Catalogue) -> list[str]:
    return plan(catalogue.items, catalogue.targets, lambda item: False)


def read_manifest(wish: Wish) -> dict[str, Any]:
    """Give the manifest that is there; empty when there is none or it cannot be read."""
    try:
        content = json.loads(Places(wish.cache_dir).manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def broken(wish: Wish, found: Look) -> list[str]:
    """Say, one sentence each, what of the manifest's is not as it was made. Files whose recipe has changed are as they were."""
    content = read_manifest(wish)
    if not content:
        return []
    store = Store(Places(wish.cache_dir))
    records = [record for name in found.catalogue.items for record in [store.read(name)] if record is not None]
    times = {path: int(entry["mtime_ns"]) for record in records for path, entry in record.outputs.items()}
    return problems(content, Places(wish.cache_dir).bundle, times)


def ensure(wish: Wish, verify: bool, orphaned: Callable[[], bool], cores: int) -> tuple[Look, list[str], bool]:
    """Make what is missing, then the manifest. Gives the look before, the progress lines, and whether anything changed."""
    before = look(wish, verify)
    if not before.steps and read_manifest(wish) == before.content:
        return before, [], False
    places = Places(wish.cache_dir)
    with locked(places):
        before = look(wish, verify)  # another build may have ended meanwhile
        lines: list[str] = []
        if before.steps:
            isolate_mounts()
            cold, begin = not places.work.exists() and not places.bundle.exists(), time.monotonic()
            for folder in (places.bundle, places.work, places.logs):
                folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            site = Site(
                places=places,
                programs_dir=wish.programs_dir,
                images_dir=wish.images_dir,
                catalogue=before.catalogue,
                store=Store(places),
                environment=build_environment(os.environ),
                cores=cores,
                archive=wish.archive,
            )
            lines = Builder(site, orphaned).make(list(before.steps))
            if cold:
                _record_times(places, before.steps, time.monotonic() - begin)
        after = look(wish)
        if after.steps:
            raise BundleError(f"The bundle was made, but {after.steps[0]} is not as it should be: {after.reasons[after.steps[0]]}.")
        write_atomic(places.manifest, json.dumps(after.content, indent=1) + "\n")
        _drop_strangers(places, after)
    return before, lines, True


def _record_times(places: Places, steps: Sequence[str], wall_seconds: float) -> None:
    """Keep what a build from empty folders took: ``date`` (UTC), ``wall_seconds``, and the seconds of each item, longest first. `make bench` shows it."""
    store = Store(places)
    seconds = {name: record.seconds for name in steps for record in [store.read(name)] if record is not None}
    times = {
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "wall_seconds": round(wall_seconds, 1),
        "items": dict(sorted(seconds.items(), key=lambda entry: -entry[1])),
    }
    write_atomic(places.times, json.dumps(times, indent=1) + "\n")


def _drop_strangers(places: Places, after: Look) -> None:
    """Remove programs, disks and records that no recipe makes any more."""
    closure = _closure(after.catalogue)
    wanted = {path for name in closure for path in after.catalogue.items[name].outputs}
    for top in ("programs", "disks"):
        for path in sorted((places.bundle / top).rglob("*")):
            if path.is_file() and str(path.relative_to(places.bundle)) not in wanted:
                path.unlink()


def missing_host_packages(wish_steps: Sequence[str]) -> list[str]:
    """Give the Debian packages of the host that building needs and that are not there; none when nothing is to be made."""
    if not wish_steps:
        return []
    path = [*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/sbin"]
    lacks = {package for program, package in HOST_PROGRAMS.items() if not any(os.access(os.path.join(folder, program), os.X_OK) for folder in path)}
    lacks |= {package for name, package in HOST_FILES.items() if not os.path.exists(name)}
    return sorted(lacks)
