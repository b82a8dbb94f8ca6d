"""Rules about the program's file, where it is known what is in the container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as File

from tfconfig.checking.rules.registry import JobValues, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.values.command_line import script_of
from tfconfig.values.paths import exists
from tfconfig.values.starter import PLACEHOLDER

PROGRAM_FILE = "TFC332"
PLACEHOLDER_IMAGE = "TFC339"
STOCK = "tensorflow/tensorflow"
# What may bring files into the container. (A checkpoint volume does not bring any into the folder of the image.)
BRINGS_FILES = ("initContainers", "extraVolumes", "extraVolumeMounts", "extraContainers", "podSpec", "container")


@rule(PROGRAM_FILE)
def _file_of_stock_image(job: JobValues) -> Iterator[Diagnostic]:
    program = job.data["program"]
    if job.files or program.get("existingConfigMap") or job.volumes:
        return
    for line in job.command_lines:
        script = script_of([word for _, word in line.parts])
        if not line.command or not script or script.startswith("/"):
            continue
        path = line.command[0][0][:-1]
        if exists(File(job.values.origin(path).file).parent / script):
            continue  # beside the values: brought by --set-file at the install, as in the examples
        if not any(_brings_files(job, role) for role in line.roles):
            message = f"{script} is not in the image {STOCK}, and nothing else brings it into the container"
            fix = "put it into program.files (--set-file), or into an image of your own"
            yield job.diagnostic(PROGRAM_FILE, path, message, fix)


def _brings_files(job: JobValues, role: str) -> bool:
    """Whether the role has another image, or anything that may bring files."""
    image = job.setting(role, "image")
    if image.get("repository") != STOCK or image.get("registry") not in (None, "", "docker.io"):
        return True
    own = job.data.get(role) or {}
    return bool(job.working_dir(role)) or any(own.get(key) or job.data.get(key) for key in BRINGS_FILES)


@rule(PLACEHOLDER_IMAGE)
def _placeholder(job: JobValues) -> Iterator[Diagnostic]:
    paths = [
        job.place(role, "image", "repository")
        for role in job.roles
        if job.setting(role, "image").get("repository") == PLACEHOLDER
    ]
    for path in dict.fromkeys(paths):
        message = "this is the placeholder of tfconfig init, no image"
        fix = "name an image that has TensorFlow and what the program imports; tensorflow/tensorflow may do"
        if "TF_USE_LEGACY_KERAS" in (job.data.get("env") or {}):
            fix = "name an image that has TensorFlow, tf-keras and what the program imports: docs/keras.md"
        yield job.diagnostic(PLACEHOLDER_IMAGE, path, message, fix)
