# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Items: everything that is made, what each needs, and the hash by which a made one is known again.

An item's digest covers all that decides its content: its recipe, the text of its files, and the digests of what it needs. Nothing is rebuilt while the
digest is the same, and everything that stands on a changed item is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import RecipeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.recipes import BASES, Disk, Download, Image, ProgramRecipe, Versions, fill

# Raised when the code of a kind makes something else from the same recipe.
GENERATION = {"tool": 2, "kernel-source": 1, "kernel": 1, "go-modules": 1, "go": 1, "download": 1, "root": 1, "image": 1, "registry": 1, "disk": 1}
# Reads a file or a folder below the recipes' folders and gives the hash of its names, modes and content.
Digester = Callable[[str], str]


@dataclass(frozen=True)
class Item:
    """One thing to make.

    ``needs`` are names of other items, ``outputs`` paths below the bundle's folder, ``light`` items mostly wait for the network and
    run beside the others, ``seconds`` is about how long it takes.
    """

    name: str
    kind: str
    recipe: Any = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    seconds: int = 30
    light: bool = False
    digest: str = ""


@dataclass(frozen=True)
class Catalogue:
    """All items by name, each after what it needs, and the names of those a site asks for."""

    items: Mapping[str, Item]
    targets: tuple[str, ...]
    images: tuple[Image, ...] = ()

    def tag(self, image: Image) -> str:
        """Give an image's tag: its version, and the start of its digest where the recipe says so."""
        return f"{image.version}-{self.items[image_item(image.short)].digest[:12]}" if image.content_tag else image.version

    def reference(self, image: Image) -> str:
        """Give an image's full name with its tag."""
        return f"{image.reference}:{self.tag(image)}"


def image_item(short: str) -> str:
    """Give the name of the item that makes an image."""
    return f"image {short}"


def order(items: Iterable[Item]) -> list[Item]:
    """Sort items so that each comes after what it needs. Raises :class:`RecipeError` for a circle or for a need that nobody makes."""
    by_name: dict[str, Item] = {}
    for item in items:
        if item.name in by_name:
            raise RecipeError(f"'{item.name}' is described twice.")
        by_name[item.name] = item
    done: dict[str, Item] = {}
    path: list[str] = []

    def visit(name: str, wanted_by: str) -> None:
        if name in done:
            return
        if name not in by_name:
            raise RecipeError(f"'{wanted_by}' needs '{name}', which no recipe makes.")
        if name in path:
            raise RecipeError(f"'{name}' needs itself: {' -> '.join([*path[path.index(name) :], name])}.")
        path.append(name)
        for need in by_name[name].needs:
            visit(need, name)
        path.pop()
        done[name] = by_name[name]

    for name in by_name:
        visit(name, "the bundle")
    return list(done.values())


def seal(items: Iterable[Item]) -> dict[str, Item]:
    """Give every item its digest, in order, by name."""
    sealed: dict[str, Item] = {}
    for item in order(items):
        content = {
            "kind": item.kind,
            "generation": GENERATION[item.kind],
            "inputs": item.inputs,
            "needs": {need: sealed[need].digest for need in item.needs},
        }
        sealed[item.name] = replace(item, digest=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest())
    return sealed


def _has_checksums(download: Download, checksums: Mapping[str, str]) -> bool:
    known = {*download.sha256, *checksums}
    return bool(download.sha256_url) or download.name in known or all(program in known for program in download.programs)


def catalogue(
    *,
    source: str,
    versions: Versions,
    programs: Sequence[ProgramRecipe],
    images: Sequence[Image],
    disks: Sequence[Disk],
    digest_of: Digester,
    checksums: Mapping[str, str],
    bases: Mapping[str, str],
) -> Catalogue:
    """Turn recipes into items.

    ``source`` is build or download; ``digest_of`` reads files relative to the folder that holds programs.yml (``program:``) or images (``image:``);
    ``checksums`` maps a program or a download to a sha256 the site insists on; ``bases`` maps a download to another base of its URL.
    """
    items = [Item(f"tool {tool.name}", "tool", tool, asdict(tool), seconds=6, light=True) for tool in versions.tools.values()]
    makers: dict[str, str] = {}
    # A release whose checksum nobody tells cannot be trusted: what it holds is built instead.
    releases = [entry for entry in versions.downloads.values() if source == "download" and _has_checksums(entry, checksums)]
    downloadable = {program for entry in releases for program in entry.programs}
    for download in releases:
        base = bases.get(download.name, download.base)
        groups: dict[str, dict[str, str]] = {}
        for program, member in download.programs.items():
            url = fill(download.url, download.version, base=base, name=program)
            groups.setdefault(url, {})[program] = fill(member, download.version)
        for url, members in groups.items():
            first = next(iter(members))
            name = f"program {first}" if len(groups) > 1 else f"programs of {download.name}"
            pinned = checksums.get(first, checksums.get(download.name, download.sha256.get(first, "")))
            inputs = {
                "url": url,
                "programs": members,
                "sha256": pinned,
                "sha256_url": "" if pinned else fill(download.sha256_url, download.version, base=base, name=first),
                "version": download.version,
            }
            outputs = tuple(f"programs/{program}" for program in members)
            items.append(Item(name, "download", download, inputs, outputs=outputs, seconds=20, light=True))
            makers.update(dict.fromkeys(members, name))
    for recipe in programs:
        if all(program in downloadable for program in recipe.programs):
            continue
        name = f"programs of {recipe.name}" if len(recipe.programs) > 1 else f"program {recipe.programs[0]}"
        inputs = {**asdict(recipe), "files": digest_of(f"program:{recipe.folder}") if recipe.folder else ""}
        inputs.pop("seconds")
        needs = ["tool go"]
        if recipe.module:
            modules = f"modules of {recipe.name}"
            items.append(Item(modules, "go-modules", recipe, inputs, ("tool go",), seconds=recipe.seconds // 10 + 3, light=True))
            needs.append(modules)
        outputs = tuple(f"programs/{program}" for program in recipe.programs)
        items.append(Item(name, "go", recipe, inputs, tuple(needs), outputs, seconds=recipe.seconds))
        makers.update(dict.fromkeys(recipe.programs, name))
    kernel = asdict(versions.kernel)
    items.append(Item("source of linux", "kernel-source", versions.kernel, kernel, seconds=40, light=True))
    items.append(
        Item(
            "program linux",
            "kernel",
            versions.kernel,
            {**kernel, "config": digest_of("program:kernel")},
            ("source of linux",),
            ("programs/linux", "disks/linux-modules.tar"),
            seconds=450,
        )
    )
    makers["linux"] = "program linux"

    def maker(program: str, where: str) -> str:
        if program not in makers:
            raise RecipeError(f"images/{where}/recipe.yml: the program '{program}' is made by no recipe.")
        return makers[program]

    shorts = [image.short for image in images]
    for image in images:
        if image.base not in BASES and image.base not in shorts:
            raise RecipeError(f"images/{image.folder}/recipe.yml: the base '{image.base}' is neither scratch, debian nor another image.")
        needs = [] if image.base == "scratch" else [image_item(image.base)]
        needs += [f"tool {tool}" for tool, wanted in (("uv", image.python), ("node", image.node)) if wanted]
        needs += sorted({maker(program, image.folder) for program in image.programs})
        inputs = {**asdict(image), "folder": digest_of(f"image:{image.folder}")}
        seconds = 60 if image.python else 10 + 2 * len(image.packages)
        items.append(Item(image_item(image.short), "image", image, inputs, tuple(needs), seconds=seconds))
    debian = Image(short="debian", folder="", reference="", version=versions.versions["debian"], content_tag=False, base="scratch")
    items.append(Item(image_item("debian"), "image", debian, {"suite": debian.version}, seconds=25))
    published = tuple(image for image in images if image.reference)
    items.append(
        Item(
            "registry",
            "registry",
            published,
            {"names": {image.short: [image.reference, image.version, image.content_tag] for image in published}},
            (maker("registry", "registry"), *(image_item(image.short) for image in published)),
            seconds=60,
        )
    )
    for disk in disks:
        root = {"suite": versions.versions["debian"], "packages": sorted(disk.packages)}
        items.append(Item(f"root of {disk.name}", "root", disk, root, seconds=70))
        needs = [f"root of {disk.name}", "program linux", *sorted({maker(program, disk.folder) for program in disk.programs})]
        needs += ["registry", maker("containerd", disk.folder), maker("ctr", disk.folder)] if disk.images else []
        inputs = {**asdict(disk), "folder": digest_of(f"image:{disk.folder}")}
        items.append(Item(f"disk {disk.name}", "disk", disk, inputs, tuple(dict.fromkeys(needs)), (f"disks/{disk.name}.ext4",), seconds=80))
    sealed = seal(items)
    targets = [name for name, item in sealed.items() if item.kind in ("go", "download", "registry", "disk")]
    return Catalogue(items=sealed, targets=tuple(targets), images=published)
