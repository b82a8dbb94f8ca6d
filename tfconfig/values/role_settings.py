"""What a role's tasks run with: the settings at the top of the values, overridden by the role's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfconfig.tensorflow_job.task import progress
from tfconfig.tensorflow_job.task.job_spec import IDENTITY, expand
from tfconfig.tensorflow_job.task.references import deferred

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import Program

# Variables that the entrypoint makes for each task, so that nobody else may set them.
MADE_VARIABLES = (*IDENTITY, progress.VARIABLE)

NO_DEVICE = re.compile(r"rdma|sriov|hugepages", re.IGNORECASE)  # network and memory

# Merged key by key, where null removes a key; every other setting of a role replaces the one at the top whole.
MERGED = frozenset(("image", "env", "nodeSelector", "podLabels", "podAnnotations"))
# Laid over each other: maps merged, lists appended.
OVERLAID = frozenset(("podSpec", "container"))


def setting(data: Mapping[str, Any], role: str, key: str) -> Any:
    """The effective value of one setting, as the chart's template `settings` merges it."""
    own = data.get(role) or {}
    if key in OVERLAID:
        return overlay(data.get(key) or {}, own.get(key) or {})
    if key not in MERGED:
        return own[key] if key in own else data.get(key)
    top = data.get(key) or {}
    merged = {**top, **(own.get(key) or {})}
    for name, value in (own.get(key) or {}).items() if key == "env" else ():
        if isinstance(value, str) and isinstance(top.get(name), str):  # in its own text a name means the one at the top
            merged[name] = value.replace("$$", "\1").replace(f"$({name})", top[name]).replace("\1", "$$")
    return {name: value for name, value in merged.items() if value is not None}


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A map with another over it, as the chart's template of that name has it."""
    result = dict(base)
    for key, value in over.items():
        before = result.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            result[key] = overlay(before, value)
        elif isinstance(value, list) and isinstance(before, list):
            result[key] = [*before, *value]
        elif value is not None:
            result[key] = value
    return result


def program(data: Mapping[str, Any], role: str) -> Program:
    """What tasks of the role run, if they run the program."""
    common, own = data.get("program") or {}, (data.get(role) or {}).get("program") or {}
    keys = own_program(own)
    command: list[str] = (own if "command" in keys else common).get("command") or []
    args: list[str] = (own if "args" in keys else common).get("args") or []
    return {"command": command, "args": args}


def own_program(own: Mapping[str, Any]) -> frozenset[str]:
    """Which of `command` and `args` a role's `program` replaces: the args of all roles are not for its own command."""
    if own.get("command"):
        return frozenset(("command", "args"))
    return frozenset(("args",) if own.get("args") is not None else ())


def user_volumes(data: Mapping[str, Any], role: str) -> list[Mapping[str, Any]]:
    """The volumes of a role beside those that the chart makes: extraVolumes, then those of podSpec."""
    return [*(setting(data, role, "extraVolumes") or []), *(setting(data, role, "podSpec").get("volumes") or [])]


def data_volumes(data: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The data volumes that no overlay removed with null."""
    return {name: volume for name, volume in (data.get("data") or {}).items() if volume}


def asks_for_devices(data: Mapping[str, Any], role: str) -> bool:
    """Whether a role's `resources` ask for a device beside `gpus`, as the chart's template of that name has it."""
    resources = setting(data, role, "resources") or {}
    amounts = [*(resources.get("limits") or {}).items(), *(resources.get("requests") or {}).items()]
    devices = [name for name, amount in amounts if "/" in name and str(amount) != "0" and not NO_DEVICE.search(name)]
    return bool(resources.get("claims") or devices)


def deferred_texts(data: Mapping[str, Any], role: str) -> dict[str, str]:
    """The texts of a role's env that its tasks expand themselves, by name."""
    env = setting(data, role, "env")
    return {name: value for name, value in env.items() if isinstance(value, str) and deferred(value)}


def environment(
    data: Mapping[str, Any], role: str, given: Mapping[str, str], paths: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """A role's variables outside of a cluster, and the names of those that nobody gives.

    `given` answers for Secrets, ConfigMaps and other sources that only a cluster has; `paths` are the folders of data
    volumes by name. Texts with $(NAME) are left to the tasks.
    """
    made: dict[str, str] = {}
    missing: list[str] = []
    for name, volume in sorted(data_volumes(data).items()):
        if volume.get("env"):
            made[volume["env"]] = paths.get(name, volume["mountPath"])
    for name, value in sorted(setting(data, role, "env").items()):
        if isinstance(value, str):
            if not deferred(value):
                made[name] = expand(value, {})
        elif not isinstance(value, Mapping):
            made[name] = json.dumps(value)
        elif name in given:
            made[name] = given[name]
        elif not _optional(value):
            missing.append(name)
    return made, missing


def _optional(value: Mapping[str, Any]) -> bool:
    return any(isinstance(source, Mapping) and source.get("optional") for source in value["valueFrom"].values())
