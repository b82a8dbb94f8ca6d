"""Rules about Keras: what a program of the values will meet in TensorFlow's own images."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfconfig.checking.rules.registry import STOCK_IMAGE, JobValues, rule
from tfconfig.diagnostics import Diagnostic

_WITH_KERAS_2 = re.compile(r"(1|2\.([0-9]|1[0-5]))\.")  # tags: Keras 3 came with 2.16
_INSTALLS = re.compile(r"\binstall\b.*\btf[-_]keras\b")
_STRATEGY = re.compile(r"\b(ParameterServerStrategy|MultiWorkerMirroredStrategy)\b")


@rule("TFC326")
def _fit(job: JobValues) -> Iterator[Diagnostic]:
    role = next((role for role in job.roles if job.runs_program(role)), "")
    if not role or (job.replicas["worker"] + job.replicas["chief"] < 2 and not job.replicas["ps"]):
        return  # one worker alone trains with Keras 3, too
    image = job.setting(role, "image")
    if not STOCK_IMAGE.search(image.get("repository") or "") or _WITH_KERAS_2.match(image.get("tag") or ""):
        return
    words = " ".join(word for line in job.command_lines for _, word in line.parts)
    if _INSTALLS.search(words) or any(map(_INSTALLS.search, job.files.values())):
        return
    if str(job.setting(role, "env").get("TF_USE_LEGACY_KERAS") or "0").lower() in ("1", "true"):
        message = "TF_USE_LEGACY_KERAS needs tf-keras, which TensorFlow's own images do not have"
        fix = "use an image with tf-keras (pip install tf-keras), or of TensorFlow 2.15"
        yield job.diagnostic("TFC326", job.place(role, "env", "TF_USE_LEGACY_KERAS"), message, fix)
        return
    for name, text in job.files.items():
        code = re.sub(r"#.*", "", text)
        if ".fit(" in code and _STRATEGY.search(code) and "keras" in code:
            strategy = "parameter servers" if "ParameterServerStrategy" in code else "several workers"
            message = f"model.fit of Keras 3 does not work with {strategy}"
            fix = "use an image with tf-keras and set env.TF_USE_LEGACY_KERAS, or write a custom training loop"
            yield job.diagnostic("TFC326", ("program", "files", name), message, fix)
