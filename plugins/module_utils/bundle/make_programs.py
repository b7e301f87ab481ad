# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makers of programs: the tools that build, the kernel, Go programs, official releases."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from pathlib import Path

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle import debian, download, golang
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.job import Job, Made, python
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.recipes import Kernel, ProgramRecipe, Tool


def tool(job: Job) -> Made:
    """Install a wheel of the Python package index into a folder of its own."""
    recipe: Tool = job.item.recipe
    folder = job.site.places.work / "tools" / f"{recipe.name}-{recipe.version}-{job.item.digest[:8]}"
    for old in folder.parent.glob(f"{recipe.name}-*"):
        shutil.rmtree(old)
    lock = job.scratch / "requirements.txt"
    lock.write_text(f"{recipe.package}=={recipe.version} --hash=sha256:{recipe.sha256}\n", encoding="utf-8")
    flags = ["--quiet", "--no-deps", "--no-compile", "--require-hashes", "--only-binary=:all:", "--target", str(job.scratch / "out")]
    job.run([python(), "-m", "pip", "install", *flags, "--requirement", str(lock)])
    folder.parent.mkdir(parents=True, exist_ok=True)
    (job.scratch / "out").rename(folder)
    return Made(facts={"paths": [job.relative(folder)]})


def kernel_source(job: Job) -> Made:
    """Download the kernel's source package through an apt of its own, so that the host's suites stay as they are."""
    recipe: Kernel = job.item.recipe
    root, folder = job.scratch / "apt", job.site.places.work / "sources"
    for name in ("var/lib/dpkg", "lists/partial", "archives/partial", "log", "etc/apt/preferences.d"):
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    sources, config = root / "sources.list", root / "apt.conf"
    network = debian.network_config(job.run.read(["apt-config", "dump"]))
    config.write_text(debian.apt_config(root, lists=root / "lists", archives=root / "archives", sources=sources, network=network), encoding="utf-8")
    more = {"APT_CONFIG": str(config)}
    archive = job.site.debian_archive()
    offers: list[tuple[str, str, str]] = []
    wanted = (recipe.package, recipe.version)
    # One suite after the other: one that is gone must not hide the others, and the first one mostly has it.
    for suite in recipe.suites:
        sources.write_text(debian.sources_line(archive, suite), encoding="utf-8")
        try:
            job.run(["apt-get", "update", "-q"], more=more)
        except BundleError as error:
            job.run.note(f"suite {suite}: {error}")
            continue
        names = [name for name in job.run.read(["apt-cache", "pkgnames", "linux-source-"], more=more).split() if name[-1].isdigit()]
        rows = debian.parse_madison(job.run.read(["apt-cache", "madison", *names], more=more)) if names else []
        offers += [(package, version, suite) for package, version in rows]
        if wanted in rows:
            break
    package, version = debian.choose_source(recipe.package, recipe.version, [offer[:2] for offer in offers])
    suite = next(offer[2] for offer in offers if offer[:2] == (package, version))
    if suite not in sources.read_text(encoding="utf-8").split():
        sources.write_text(debian.sources_line(archive, suite), encoding="utf-8")
        job.run(["apt-get", "update", "-q"], more=more)
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier version
    folder.mkdir(parents=True)
    job.run(["apt-get", "download", f"{package}={version}"], cwd=job.scratch, more=more)
    fetched = next(job.scratch.glob("*.deb"))
    final = folder / fetched.name
    shutil.move(fetched, final)
    return Made(facts={"paths": [job.relative(final)], "package": package, "version": version, "suite": suite})


def kernel(job: Job) -> Made:
    """Compile the kernel as a program, with its (empty) tree of modules. An interrupted compilation goes on where it was."""
    source = job.record("source of linux")
    folder = job.kept("linux")
    tree = folder / "tree"
    if not (folder / "unpacked").exists():
        for entry in (tree, folder / "package"):
            shutil.rmtree(entry, ignore_errors=True)
        tree.mkdir()
        job.run(["dpkg-deb", "--extract", str(job.site.places.cache / source.facts["paths"][0]), str(folder / "package")])
        archive = next((folder / "package/usr/src").glob("linux-source-*.tar.xz"))
        # Documentation and tools are a third of the files, and no part of the kernel.
        job.run(["tar", "--extract", "--file", str(archive), "--directory", str(tree), "--strip-components=1", "--exclude=*/Documentation/*/*.rst"])
        shutil.rmtree(folder / "package")
        (folder / "unpacked").touch()
    shutil.copyfile(job.site.programs_dir / "kernel/config", tree / ".config")
    fixed = {"KBUILD_BUILD_TIMESTAMP": "1970-01-01", "KBUILD_BUILD_USER": "bundle", "KBUILD_BUILD_HOST": "bundle"}
    job.run(["make", "ARCH=um", "olddefconfig"], cwd=tree, more=fixed)
    job.run(["make", "ARCH=um", f"-j{job.site.cores + 1}", "linux", "modules"], cwd=tree, more=fixed)
    modules = job.scratch / "modules"
    job.run(["make", "ARCH=um", f"INSTALL_MOD_PATH={modules}", "modules_install"], cwd=tree, more=fixed)
    for link in (modules / "lib/modules").glob("*/build"):
        link.unlink()
    program, archive = job.scratch / "linux", job.scratch / "modules.tar"
    shutil.copyfile(tree / "linux", program)
    program.chmod(0o755)
    flags = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]
    job.run(["tar", "--create", *flags, "--file", str(archive), "--directory", str(modules / "lib"), "modules"])
    shutil.rmtree(folder)
    return Made({"programs/linux": program, "disks/linux-modules.tar": archive}, {"version": source.facts["version"]})


def _go(job: Job, recipe: ProgramRecipe) -> tuple[str, dict[str, str], Path]:
    """Give the Go program, its environment, and the folder that has the go.mod."""
    work = job.site.places.work
    go = job.tool("go") / "go/bin/go"
    environment = golang.environment(job.site.environment, str(work / "gomod"), str(work / "gocache"), recipe.cgo)
    environment.update(PATH=f"{go.parent}:{environment['PATH']}", TMPDIR=str(job.scratch))
    # A folder of the same name for each recipe: its path is in no output, thanks to -trimpath.
    folder = work / "go" / recipe.name
    return str(go), environment, folder


def _prepare(job: Job, recipe: ProgramRecipe) -> None:
    go, environment, folder = _go(job, recipe)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if recipe.folder:
        shutil.copytree(job.site.programs_dir / recipe.folder, folder, dirs_exist_ok=True)
    upstream = ""
    if recipe.module:
        answer = json.loads(job.run.read([go, "mod", "download", "-json", f"{recipe.module}@{recipe.version}"], cwd=folder, more=environment))
        if "Dir" not in answer:
            raise BundleError(f"The Go module {recipe.module} {recipe.version} cannot be downloaded: {answer.get('Error', 'no reason given')}.")
        source = Path(answer["Dir"])
        upstream = (source / "go.mod").read_text(encoding="utf-8")
        if (source / "go.sum").exists():
            (folder / "go.sum").write_text((source / "go.sum").read_text(encoding="utf-8"), encoding="utf-8")
    language = re.search(r"go(\d+\.\d+)", job.run.read([go, "version"]))
    (folder / "go.mod").write_text(golang.go_mod(recipe, upstream, language[1] if language else "1.26"), encoding="utf-8")


def go_modules(job: Job) -> Made:
    """Download what a Go program is made of."""
    recipe: ProgramRecipe = job.item.recipe
    _prepare(job, recipe)
    go, environment, folder = _go(job, recipe)
    packages = [golang.import_path(recipe, package) for package in recipe.packages.values()]
    # Looking at every package that is linked in is what fetches exactly the modules that are needed.
    job.run([go, "list", "-deps", "-f", "{{/* only to load them */}}", "-tags", ",".join(recipe.tags), *packages], cwd=folder, more=environment)
    return Made(facts={"paths": [job.relative(folder / "go.mod")]})


def go_programs(job: Job) -> Made:
    """Compile Go programs."""
    recipe: ProgramRecipe = job.item.recipe
    if not recipe.module:
        _prepare(job, recipe)
    go, environment, folder = _go(job, recipe)
    outputs: dict[str, Path] = {}
    for program, package in recipe.packages.items():
        target = job.scratch / program.replace("/", "_")
        job.run(golang.build(recipe, go, package, str(target)), cwd=folder, more=environment)
        for name in (program, *recipe.links.get(program, ())):
            outputs[f"programs/{name}"] = target
    return Made(outputs, {"version": recipe.version})


def release(job: Job) -> Made:
    """Download an official release, check it, and take its programs out."""
    inputs = job.item.inputs
    url, sha256 = inputs["url"], inputs["sha256"]
    if not sha256 and inputs["sha256_url"]:
        sha256 = download.checksum_in(download.fetch_text(inputs["sha256_url"]), url.rsplit("/", 1)[-1])
        if not sha256:
            raise BundleError(f"{inputs['sha256_url']} has no sha256 of {url.rsplit('/', 1)[-1]}; write it to versions.yml or bundle_checksums.")
    archive = job.site.places.work / "downloads" / f"{job.item.digest[:12]}-{url.rsplit('/', 1)[-1]}"
    download.fetch(url, archive, sha256, pause=lambda seconds: bool(job.stop.wait(seconds)))
    download.unpack(archive, inputs["programs"], job.scratch / "out")
    with contextlib.suppress(OSError):
        archive.unlink()
    outputs = {f"programs/{program}": job.scratch / "out" / program for program in inputs["programs"]}
    return Made(outputs, {"version": inputs["version"], "url": url, "sha256": sha256})
