"""Rules about the Python that starts the tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfconfig.checking.rules.registry import STOCK_IMAGE, JobValues, rule
from tfconfig.diagnostics import Diagnostic

_WITHOUT_PYTHON = re.compile(r"(library/)?(alpine|busybox|centos|debian|ubuntu)")  # Docker's own, without a registry
_WITH_OLD_PYTHON = re.compile(r"(0|1\.([0-9]|1[0-3]))(\.|-|$)")  # tags of TensorFlow


@rule("TFC335")
def _image_without_python(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        image = job.setting(role, "image")
        repository, tag = image.get("repository") or "", image.get("tag") or ""
        bare = not image.get("registry") and _WITHOUT_PYTHON.fullmatch(repository)
        old = STOCK_IMAGE.search(repository) and _WITH_OLD_PYTHON.match(tag)
        given = job.setting(role, "pythonFrom") or job.setting(role, "python") != ["python3"]
        if (bare or old) and not given and not image.get("digest"):
            message = f"{repository}:{tag}".rstrip(":") + " has no Python 3.6 or newer, which starts the tasks"
            fix = "use another image, or set python to one that it has"
            if job.strategy == "Custom":
                fix = "set pythonFrom: LifecycleImage, use another image, or set python to one that it has"
            yield job.diagnostic("TFC335", job.place(role, "image", "tag" if old else "repository"), message, fix)
