"""The settings of a run that its record keeps, so that runs can be compared. Pure.

Sizes, numbers, images and the names of scripts are kept as they are. Any other text of the user may be a secret,
whatever its name: of that a mark is kept, two digits of a hash. It shows that a text changed, and is too short to find
it by. Of an option whose name is that of a secret even that is left out, whatever the next word looks like.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from ..task.contracts import JobSpec, Program

MAX_SETTINGS, MAX_NAME, MAX_VALUE = 64, 60, 100
MARK = "#"
SET = "set"
_OPTION = re.compile(r"-[A-Za-z]|--[A-Za-z][\w.-]{0,39}")  # -phunter2 is -p, and what nobody may read
_NUMBER = re.compile(r"-?([0-9]{1,12}(\.[0-9]{0,12})?|\.[0-9]{1,12})([eE][-+]?[0-9]{1,3})?")
_SCRIPT = re.compile(r"[A-Za-z0-9_./-]{1,80}\.(py|sh)|(/[a-z0-9/]{1,40}/)?(python[0-9.]{0,5}|sh|bash)")
_SECRET = re.compile(r"^-p$|pass|pw|otp|pin|secret|token|key|cred|auth|salt|code|user|account|id$", re.IGNORECASE)


def settings(job: JobSpec, chart: str = "") -> dict[str, str]:
    """Name -> value, or mark, of the settings of a run that this version of the chart started."""
    values = {"strategy": job["strategy"], **({"chart": chart} if chart else {})}
    values.update({f"{role}.replicas": str(count) for role, count in job["replicas"].items()})
    values.update({f"{role}.gpus": str(count) for role, count in job["gpus"].items()})
    record = job.get("record")
    if record:
        values["run"] = str(record["run"])
        images = record["images"]
        one_image = len(set(images.values())) == 1
        values.update({"image" if one_image else f"{role}.image": image for role, image in images.items()})
    programs = {"": job["program"], **{f"{role} ": own for role, own in job.get("programs", {}).items()}}
    for whose, program in programs.items():
        values.update({f"{whose}{name}": value for name, value in _of_program(program)})
    if record:
        values.update({name: MARK + mark for name, mark in record["marks"].items()})
    shown = [(name, value[:MAX_VALUE]) for name, value in values.items() if len(name) <= MAX_NAME]
    return dict(shown[:MAX_SETTINGS])


def _of_program(program: Program) -> Iterator[tuple[str, str]]:
    """Its options, and as `program` what else it is called with."""
    arguments, others = [*program["command"], *program["args"]], list[str]()
    while arguments:
        word = arguments.pop(0)
        name, equals, value = word.partition("=")
        is_option, secret = _OPTION.fullmatch(name), name.startswith("-") and _SECRET.search(name)
        takes_next = not equals and arguments and (secret or (is_option and _is_value(arguments[0])))
        if takes_next:
            value = arguments.pop(0)
        while secret and arguments and _NUMBER.fullmatch(arguments[0]):
            del arguments[0]
        if is_option:
            yield name, SET if secret or not (equals or takes_next) else _shown(value)
        else:
            others.append(_shown(word))
    if others:
        yield "program", " ".join(others)


def _is_value(word: str) -> bool:
    return bool(_NUMBER.fullmatch(word)) or not word.startswith("-")


def _shown(text: str) -> str:
    plain = _NUMBER.fullmatch(text) or _SCRIPT.fullmatch(text)
    return text if plain else MARK + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:2]
