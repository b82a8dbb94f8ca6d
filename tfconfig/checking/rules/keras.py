"""Rules about Keras: what a program of the values will meet in TensorFlow's own images."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfconfig.checking.rules.registry import STOCK_IMAGE, JobValues, rule
from tfconfig.diagnostics import Diagnostic

_WITH_KERAS_2 = re.compile(r"(1|2\.([0-9]|1[0-5]))\.")  # tags: Keras 3 came with 2.16
_STRATEGY = re.compile(r"\b(ParameterServerStrategy|MultiWorkerMirroredStrategy)\b")


@rule("TFC326")
def _fit(job: JobValues) -> Iterator[Diagnostic]:
    role = next((role for role in job.roles if job.runs_program(role)), "")
    if not role or (job.replicas["worker"] + job.replicas["chief"] < 2 and not job.replicas["ps"]):
        return  # one worker alone trains with Keras 3, too
    image = job.setting(role, "image")
    stock = STOCK_IMAGE.search(image.get("repository") or "")
    if not stock or _WITH_KERAS_2.match(image.get("tag") or "") or "TF_USE_LEGACY_KERAS" in job.setting(role, "env"):
        return
    for name, text in job.files.items():
        code = re.sub(r"#.*", "", text)
        if ".fit(" in code and _STRATEGY.search(code) and "keras" in code and "TF_USE_LEGACY_KERAS" not in code:
            strategy = "parameter servers" if "ParameterServerStrategy" in code else "several workers"
            message = f"model.fit of Keras 3 does not work with {strategy}"
            fix = "set env.TF_USE_LEGACY_KERAS and use an image with tf-keras, or write a custom training loop"
            yield job.diagnostic("TFC326", ("program", "files", name), message, fix)
