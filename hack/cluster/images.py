"""Build container images without a container engine, and keep them ready in the form that containerd stores.

The recipes are Dockerfiles, so that any other engine builds them too. Understood here: comments, continuation lines,
FROM (`debian:NAME-slim` or an image of the kit), ENV, RUN, and CMD in its JSON form. An image has one layer.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .settings import CACHE, IMAGES, PAUSE_IMAGE, PYTHON_IMAGE, TENSORFLOW_IMAGE
from .shell import KitError, run, say

# Raised when the way of building changes, so that old images are not taken for new ones.
_RECIPE = "1"
_ARCHIVES = CACHE / "images"
_STORES = CACHE / "containerd"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What a RUN step sees of this machine, read-only, so that apt and pip reach what they reach here: the file, and its
# place inside. The certificates have a place where no package's own scripts look.
_SHARED = {
    "/etc/resolv.conf": "etc/resolv.conf",
    "/etc/hosts": "etc/hosts",
    "/etc/pip.conf": "etc/pip.conf",
    "/etc/ssl/certs/ca-certificates.crt": "run/machine-certificates.crt",
}
_SHARED_VARIABLES = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@dataclass
class Recipe:
    """The contents of a Dockerfile."""

    base: str
    steps: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH})
    command: list[str] = field(default_factory=list)


def read_recipe(text: str) -> Recipe:
    """Read the part of the Dockerfile language that the kit understands."""
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    recipe = None
    for line in text.replace("\\\n", " ").splitlines():
        keyword, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if not keyword:
            continue
        if keyword == "FROM" and recipe is None:
            recipe = Recipe(base=rest)
        elif recipe is None:
            raise KitError("a recipe starts with FROM")
        elif keyword == "RUN":
            recipe.steps.append(re.sub(r"\s+", " ", rest))
        elif keyword == "ENV":
            name, _, value = rest.partition("=")
            recipe.environment[name] = value
        elif keyword == "CMD":
            recipe.command = json.loads(rest)
        else:
            raise KitError(f"not understood in a recipe: {line}")
    if recipe is None:
        raise KitError("a recipe starts with FROM")
    return recipe


def image_store() -> Path:
    """Return a containerd root folder that holds all images, and build what is missing of it."""
    archives = [_pause_archive(), _archive(PYTHON_IMAGE, "python"), _archive(TENSORFLOW_IMAGE, "tensorflow")]
    key = hashlib.sha256(" ".join(archive.name for archive in archives).encode()).hexdigest()[:16]
    store = _STORES / key
    if not store.exists():
        _import(archives, store)
    for folder, current in ((_ARCHIVES, archives), (_STORES, [store])):
        for old in folder.iterdir():
            if old not in current:
                _remove(old)
    return store


def _pause_archive() -> Path:
    """Build the image that holds a pod's namespaces open: busybox's sleep."""
    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    archive = _ARCHIVES / f"pause-{_key(busybox.read_bytes())}.tar"
    if not archive.exists():
        with _root_folder() as root:
            (root / "bin").mkdir()
            shutil.copy(busybox, root / "bin/busybox")
            recipe = Recipe(base="scratch", command=["/bin/busybox", "sleep", "2147483647"])
            _write_archive(archive, PAUSE_IMAGE, recipe, root)
    return archive


def _archive(image: str, name: str) -> Path:
    """Build an image from its recipe unless the cache has it, and return its archive."""
    text = (IMAGES / f"{name}.Dockerfile").read_text()
    recipe = read_recipe(text)
    base = _archive(PYTHON_IMAGE, "python") if recipe.base == PYTHON_IMAGE else None
    archive = _ARCHIVES / f"{name}-{_key(text.encode(), (base.name if base else '').encode())}.tar"
    if archive.exists():
        return archive
    started = time.monotonic()
    say(f"building the image {image}")
    with _root_folder() as root:
        if base:
            _unpack(base, root)
        else:
            _bootstrap(recipe.base, root)
        for step in recipe.steps:
            _run_inside(root, step, recipe.environment)
        _write_archive(archive, image, recipe, root)
    say(f"built {image} in {time.monotonic() - started:.0f} s")
    return archive


@contextmanager
def _root_folder() -> Iterator[Path]:
    """Give an empty folder for an image's root file system, removed afterwards."""
    _ARCHIVES.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="build-", dir=CACHE))
    root = scratch / "root"
    root.mkdir(mode=0o755)
    try:
        yield root
    finally:
        shutil.rmtree(scratch)


def _bootstrap(base: str, root: Path) -> None:
    """Make the root file system of a Debian release: the same packages as in its slim image."""
    match = re.fullmatch(r"debian:(\w+)-slim", base)
    if not match:
        raise KitError(f"a recipe cannot start from {base}")
    run(["debootstrap", "--variant=minbase", match[1], root])
    for folder in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt/archives"):
        _remove(root / folder)
    # What debootstrap took over from this machine.
    for file in ("etc/resolv.conf", "etc/hostname"):
        _remove(root / file)


def _run_inside(root: Path, step: str, environment: dict[str, str]) -> None:
    """Carry out a RUN step with the image as root, and this machine's way to its package registries."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(_SHARED_VARIABLES)}
    variables |= environment | {"DEBIAN_FRONTEND": "noninteractive", "HOME": "/root", "LC_ALL": "C.UTF-8"}
    # The mounts are made in a namespace of the step's own, and go with it.
    lines = ["set -e", "root=$1", "mount -t proc proc $root/proc"]
    made = []
    for source, place in _SHARED.items():
        inside = root / place
        if Path(source).exists():
            if not inside.exists():
                made.append(inside)
                inside.parent.mkdir(parents=True, exist_ok=True)
                inside.touch()
            lines.append(f"mount --bind {source} $root/{place}")
            lines.append(f"mount -o remount,bind,ro $root/{place}")
            if place.endswith(".crt"):
                variables |= {"PIP_CERT": f"/{place}", "SSL_CERT_FILE": f"/{place}"}
    lines.append('exec chroot $root /bin/sh -c "$2"')
    command = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", "\n".join(lines), "sh", str(root), step]
    run(command, environment=variables)
    for inside in made:
        inside.unlink()


def _write_archive(archive: Path, image: str, recipe: Recipe, root: Path) -> None:
    """Write a root file system as an archive in Docker's format, with one layer."""
    layer = root.parent / "layer.tar"
    run(["tar", "--create", "--file", layer, "--numeric-owner", "--sort=name", "--directory", root, "."])
    with layer.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": [f"{k}={v}" for k, v in recipe.environment.items()], "Cmd": recipe.command},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest.hexdigest()}"]},
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [image], "Layers": ["layer.tar"]}]
    scratch = archive.with_suffix(".new")
    with tarfile.open(scratch, "w") as tar:
        for name, content in ((config_name, config), ("manifest.json", json.dumps(manifest).encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        tar.add(layer, "layer.tar")
    scratch.rename(archive)


def _unpack(archive: Path, root: Path) -> None:
    """Unpack the layer of an archive."""
    with (
        tarfile.open(archive) as tar,
        subprocess.Popen(
            ["tar", "--extract", "--preserve-permissions", "--numeric-owner", "--directory", root],
            stdin=subprocess.PIPE,
        ) as process,
    ):
        layer = tar.extractfile("layer.tar")
        if layer is None or process.stdin is None:
            raise KitError(f"{archive} has no layer")
        shutil.copyfileobj(layer, process.stdin, 1 << 20)
    if process.returncode != 0:
        raise KitError(f"{archive} cannot be unpacked")


def _import(archives: list[Path], store: Path) -> None:
    """Import archives into a new containerd root folder."""
    started = time.monotonic()
    say("importing the images")
    store.parent.mkdir(parents=True, exist_ok=True)
    scratch = store.with_suffix(".new")
    _remove(scratch)
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/socket"
        config = Path(folder, "config.toml")
        # Importing needs neither CRI nor /opt/containerd.
        unused = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
        config.write_text(f"version = 2\ndisabled_plugins = {json.dumps(unused)}\n")
        daemon = subprocess.Popen(
            ["containerd", "-c", config, "-a", socket, "--root", scratch, "--state", f"{folder}/state", "-l", "warn"],
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 30
            while not Path(socket).exists():
                if daemon.poll() is not None or time.monotonic() > deadline:
                    raise KitError("containerd does not start")
                time.sleep(0.1)
            for archive in archives:
                run(["ctr", "-a", socket, "-n", "k8s.io", "images", "import", archive])
        finally:
            daemon.terminate()
            daemon.wait()
    scratch.rename(store)
    say(f"imported the images in {time.monotonic() - started:.0f} s")


def copy_store(store: Path, target: Path) -> None:
    """Copy a containerd root folder: links to the files, which containerd never changes, and copies of databases."""
    if target.stat().st_dev == store.stat().st_dev:
        run(["cp", "--archive", "--link", f"{store}/.", target])
        for database in store.rglob("*.db"):
            copy = target / database.relative_to(store)
            copy.unlink()
            shutil.copy2(database, copy)
    else:
        run(["cp", "--archive", f"{store}/.", target])


def _key(*parts: bytes) -> str:
    """Return the hash of all that decides what an image is."""
    return hashlib.sha256(b"\0".join([_RECIPE.encode(), *parts])).hexdigest()[:16]


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
