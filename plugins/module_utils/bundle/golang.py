# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs from Go modules: a go.mod that has the program's own choices of versions, and the flags of the build."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import RecipeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.recipes import ProgramRecipe, fill


def go_mod(recipe: ProgramRecipe, upstream: str, language: str) -> str:
    """Give a go.mod that builds a program of another module with the versions that module chose.

    ``upstream`` is the text of the module's go.mod (empty for a program without one). Its replacements only count in the main module, so
    they are copied; those that point into its own tree are dropped, or, for ``staging`` prefixes, turned to the published modules.
    """
    lines = ["module bundle", ""]
    version = re.search(r"(?m)^go (\S+)", upstream)
    lines += [f"go {version[1] if version else language}", ""]
    lines += [f"godebug {setting}" for setting in re.findall(r"(?m)^godebug (\S+=\S+)$", upstream)]
    lines += [f"godebug {setting}" for block in re.findall(r"(?ms)^godebug \((.*?)^\)", upstream) for setting in block.split()]
    if not recipe.module:
        return "\n".join(lines)
    lines += [f"require {recipe.module} {recipe.version}"]
    if recipe.staging:
        staged = "v0." + recipe.version.split(".", 1)[1]
        names = [name for name, where in _replacements(upstream) if where.startswith("./") and name.startswith(recipe.staging)]
        if not names:
            raise RecipeError(f"{recipe.name}: the module {recipe.module} has no modules that start with '{recipe.staging}' in its own tree.")
        wanted = re.findall(r"(?m)^(?:\t|require )(\S+) (v\S+)", upstream)
        lines += [f"require {name} {staged if number == 'v0.0.0' else number}" for name, number in wanted]
        lines += [f"replace {name} => {name} {staged}" for name in names]
    lines += [f"replace {name} => {where}" for name, where in _replacements(upstream) if not where.startswith(".")]
    lines += [f"replace {name} => {name} {number}" for name, number in recipe.replace.items()]
    return "\n".join(lines) + "\n"


def _replacements(text: str) -> list[tuple[str, str]]:
    lines = [line for block in re.findall(r"(?ms)^replace \((.*?)^\)", text) for line in block.splitlines()]
    lines += re.findall(r"(?m)^replace ([^(].*)$", text)
    pairs = [line.split("//")[0].split("=>") for line in lines if "=>" in line]
    return [(left.strip(), right.strip()) for left, right in pairs]


def import_path(recipe: ProgramRecipe, package: str) -> str:
    """Give what to build: a folder of ours, or a package of the recipe's module."""
    if recipe.folder:
        return package
    return recipe.module if package == "." else f"{recipe.module}/{package.removeprefix('./')}"


def link_flags(recipe: ProgramRecipe) -> str:
    """Give -ldflags: no symbol tables, the version, and a static program also with C."""
    flags = ["-s", "-w", *(f"-X {name}={fill(value, recipe.version)}" for name, value in recipe.variables.items())]
    if recipe.cgo:
        flags.append("-extldflags -static")
    return " ".join(flags)


def build(recipe: ProgramRecipe, go: str, package: str, output: str) -> list[str]:
    """Give the command that builds one package."""
    tags = ["-tags", ",".join(recipe.tags)] if recipe.tags else []
    return [go, "build", "-trimpath", *tags, "-ldflags", link_flags(recipe), "-o", output, import_path(recipe, package)]


def environment(base: Mapping[str, str], modules: str, cache: str, cgo: bool) -> dict[str, str]:
    """Give the environment of a build: caches of ours, no other toolchain, whatever registry this host is set up for."""
    kept = {key: value for key, value in base.items() if key not in ("GOFLAGS", "GOROOT", "GOPATH", "GOBIN", "GOOS", "GOARCH")}
    return {
        **kept,
        "GOMODCACHE": modules,
        "GOCACHE": cache,
        "GOTOOLCHAIN": "local",
        "GOGC": "400",  # compilers are short-lived: less collecting saves a tenth of their time, for some memory
        "GOFLAGS": "-mod=mod -buildvcs=false",
        "GOWORK": "off",
        "CGO_ENABLED": "1" if cgo else "0",
        "GOOS": "linux",
        "GOARCH": "amd64",
    }
