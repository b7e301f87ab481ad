# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the recipe files say: ``versions.yml``, the list of programs, and the images' and the disk's ``recipe.yml``.

Parsing is strict: an unknown or misspelt key, a version that does not exist, a program nobody makes are errors that name the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import RecipeError

BASES = ("scratch", "debian")


@dataclass(frozen=True)
class ProgramRecipe:
    """How programs are built from a Go module. ``packages`` maps a program to its package, ``links`` a program to its further names."""

    name: str
    version: str
    packages: Mapping[str, str]
    module: str = ""
    folder: str = ""
    staging: str = ""
    cgo: bool = False
    tags: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    replace: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seconds: int = 30

    @property
    def programs(self) -> tuple[str, ...]:
        """Every name in the bundle that this makes."""
        return (*self.packages, *(link for name in self.packages for link in self.links.get(name, ())))


@dataclass(frozen=True)
class Download:
    """An official release. ``programs`` maps a program to its place in the archive; empty: the file is the program."""

    name: str
    version: str
    url: str
    programs: Mapping[str, str]
    base: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    sha256_url: str = ""


@dataclass(frozen=True)
class Image:
    """One image. ``reference`` is without tag; empty for an image that is only a base of others."""

    short: str
    folder: str
    reference: str
    version: str
    content_tag: bool
    base: str
    packages: tuple[str, ...] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    python: Mapping[str, str] = field(default_factory=dict)
    node: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    run: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()


@dataclass(frozen=True)
class Disk:
    """A machine's disk: Debian packages, files, units, programs, and whether the images are unpacked in it."""

    name: str
    folder: str
    size_gib: int
    packages: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    images: bool = False
    programs: Mapping[str, str] = field(default_factory=dict)
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kernel:
    """Where the kernel's source comes from: a Debian package, its version, and suites to look in, in order."""

    package: str
    version: str
    suites: tuple[str, ...]


@dataclass(frozen=True)
class Tool:
    """A wheel that only builds."""

    name: str
    package: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Versions:
    """The whole of ``versions.yml``."""

    versions: Mapping[str, str]
    kernel: Kernel
    tools: Mapping[str, Tool]
    downloads: Mapping[str, Download]


class _Reader:
    """Takes typed values out of one mapping and complains, with the file's name, about what is wrong or left over."""

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, Mapping):
            raise RecipeError(f"{where}: a mapping is expected, not {type(data).__name__}.")
        self.data = dict(data)
        self.where = where

    def _take(self, key: str, kind: type, default: Any) -> Any:
        if key not in self.data:
            if default is None:
                raise RecipeError(f"{self.where}: '{key}' is missing.")
            return default
        value = self.data.pop(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise RecipeError(f"{self.where}: '{key}' has to be a {kind.__name__}, not {value!r}.")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return str(self._take(key, str, default))

    def number(self, key: str, default: int | None = None) -> int:
        return int(self._take(key, int, default))

    def flag(self, key: str, default: bool) -> bool:
        return bool(self._take(key, bool, default))

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key, list, [])
        if not all(isinstance(entry, str) for entry in value):
            raise RecipeError(f"{self.where}: '{key}' has to be a list of strings, not {value!r}.")
        return tuple(value)

    def pairs(self, key: str) -> dict[str, str]:
        value = self._take(key, dict, {})
        if not all(isinstance(name, str) and isinstance(entry, str) for name, entry in value.items()):
            raise RecipeError(f"{self.where}: '{key}' has to map strings to strings, not {value!r}.")
        return dict(value)

    def mapping(self, key: str) -> dict[str, Any]:
        return dict(self._take(key, dict, {}))

    def end(self) -> None:
        if self.data:
            raise RecipeError(f"{self.where}: unknown key{'s' if len(self.data) > 1 else ''} {', '.join(map(repr, sorted(self.data)))}.")


def parse_versions(data: Any, where: str = "versions.yml") -> Versions:
    """Read ``versions.yml``, given as parsed YAML. Raises :class:`RecipeError`."""
    top = _Reader(data, where)
    versions = top.pairs("versions")
    if "debian" not in versions:
        raise RecipeError(f"{where}: 'versions' has to name the suite 'debian'.")
    reader = _Reader(top.mapping("kernel"), f"{where}, kernel")
    kernel = Kernel(package=reader.text("package"), version=reader.text("version"), suites=reader.texts("suites"))
    reader.end()
    tools = {}
    for name, entry in top.mapping("tools").items():
        reader = _Reader(entry, f"{where}, tool {name}")
        tools[name] = Tool(name=name, package=reader.text("package"), version=reader.text("version"), sha256=reader.text("sha256"))
        reader.end()
    downloads = {}
    for name, entry in top.mapping("downloads").items():
        reader = _Reader(entry, f"{where}, download {name}")
        downloads[name] = Download(
            name=name,
            version=_version(reader.text("version"), versions, reader.where),
            base=reader.text("base", ""),
            url=reader.text("url"),
            programs=reader.pairs("programs"),
            sha256=reader.pairs("sha256"),
            sha256_url=reader.text("sha256_url", ""),
        )
        reader.end()
    top.mapping("tests")  # nothing of a bundle: tests read it themselves
    top.end()
    return Versions(versions=versions, kernel=kernel, tools=tools, downloads=downloads)


def _version(key: str, versions: Mapping[str, str], where: str) -> str:
    if key not in versions:
        raise RecipeError(f"{where}: '{key}' is no key of 'versions' in versions.yml.")
    return versions[key]


def parse_programs(data: Any, versions: Versions, where: str = "programs.yml") -> list[ProgramRecipe]:
    """Read the list of programs, given as parsed YAML. Raises :class:`RecipeError`."""
    recipes = []
    for name, entry in _Reader(data, where).data.items():
        reader = _Reader(entry, f"{where}, {name}")
        recipe = ProgramRecipe(
            name=str(name),
            version=_version(reader.text("version"), versions.versions, reader.where),
            packages=reader.pairs("packages"),
            module=reader.text("module", ""),
            folder=reader.text("folder", ""),
            staging=reader.text("staging", ""),
            cgo=reader.flag("cgo", False),
            tags=reader.texts("tags"),
            variables=reader.pairs("variables"),
            replace=reader.pairs("replace"),
            links={program: tuple(map(str, links)) for program, links in reader.mapping("links").items()},
            seconds=reader.number("seconds", 30),
        )
        reader.end()
        if not recipe.packages:
            raise RecipeError(f"{reader.where}: 'packages' is empty, so nothing would be built.")
        if not recipe.module and not recipe.folder:
            raise RecipeError(f"{reader.where}: either 'module' or 'folder' has to say where the program comes from.")
        unknown = sorted(set(recipe.links) - set(recipe.packages))
        if unknown:
            raise RecipeError(f"{reader.where}: 'links' of {unknown[0]!r}, which is not in 'packages'.")
        recipes.append(recipe)
    made = [program for recipe in recipes for program in recipe.programs]
    twice = sorted({program for program in made if made.count(program) > 1})
    if twice:
        raise RecipeError(f"{where}: the program '{twice[0]}' is made twice.")
    return recipes


def parse_images(folder: str, data: Any, versions: Versions) -> list[Image]:
    """Read one ``images/<folder>/recipe.yml``, given as parsed YAML: one image, or several under ``images``."""
    where = f"images/{folder}/recipe.yml"
    top = _Reader(data, where)
    publish = top.flag("publish", True)
    version = top.data.pop("version", "") if publish else ""
    if isinstance(version, Mapping):
        reader = _Reader(version, f"{where}, version")
        version = _version(reader.text("from"), versions.versions, reader.where)
        reader.end()
    if publish and (not isinstance(version, str) or not version):
        raise RecipeError(f"{where}: 'version' has to be a string, or {{from: <key of versions.yml>}}.")
    content_tag = top.flag("content_tag", False)
    several = top.mapping("images")
    heads = several if several else {folder: {"name": top.text("name", "" if not publish or several else None)}}
    common: dict[str, Any] = {
        "folder": folder,
        "version": version,
        "content_tag": content_tag,
        "base": top.text("base"),
        "packages": top.texts("packages"),
        "programs": top.pairs("programs"),
        "python": top.pairs("python"),
        "node": top.pairs("node"),
        "files": top.pairs("files"),
        "run": top.texts("run"),
        "user": top.text("user", ""),
        "workdir": top.text("workdir", ""),
        "env": top.pairs("env"),
        "cmd": top.texts("cmd"),
    }
    entrypoint = top.texts("entrypoint")
    top.end()
    if common["packages"] and common["base"] == "scratch":
        raise RecipeError(f"{where}: 'packages' need a base that holds Debian.")
    for key in ("requirements", "venv") if common["python"] else ():
        if key not in common["python"]:
            raise RecipeError(f"{where}: 'python' needs '{key}'.")
    if common["node"] and "package" not in common["node"]:
        raise RecipeError(f"{where}: 'node' needs 'package'.")
    images = []
    for short, head in heads.items():
        reader = _Reader(head, f"{where}, {short}")
        reference = reader.text("name", "")
        own = reader.texts("entrypoint")
        reader.end()
        if ":" in reference.rsplit("/", 1)[-1]:
            raise RecipeError(f"{where}: 'name' has to be without a tag, not '{reference}'.")
        images.append(Image(short=short, reference=reference, entrypoint=own or entrypoint, **common))
    return images


def parse_disk(folder: str, data: Any) -> Disk:
    """Read the recipe of a machine's disk, given as parsed YAML."""
    where = f"images/{folder}/recipe.yml"
    top = _Reader(data, where)
    disk = Disk(
        name=top.text("name"),
        folder=folder,
        size_gib=top.number("size_gib"),
        packages=top.texts("packages"),
        files=top.pairs("files"),
        images=top.flag("images", False),
        programs=top.pairs("programs"),
        enable=top.texts("enable"),
        disable=top.texts("disable"),
        mask=top.texts("mask"),
    )
    top.end()
    return disk


def fill(template: str, version: str, **more: str) -> str:
    """Fill {version}, {number} (without its v), {major}, {minor} and more into a template. Raises :class:`RecipeError` for unknown ones."""
    number = version.lstrip("v")
    parts = number.split(".")
    try:
        return template.format(version=version, number=number, major=parts[0], minor=parts[1] if len(parts) > 1 else "", **more)
    except (KeyError, IndexError, ValueError) as error:
        raise RecipeError(f"The template '{template}' asks for something unknown: {error}.") from error
