"""Rules about the job as a whole: its name, program, roles, policies and size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tfconfig.checking.rules.registry import RELEASE, JobValues, Path, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.tensorflow_job.task.job_spec import MAX_TF_CONFIG_BYTES
from tfconfig.values.role_settings import program

MAX_NAME = 42  # StatefulSet names have room for 52 characters (kubernetes#64023), and "-evaluator" takes 10
MAX_RELEASE = 53  # Helm's own limit
RELEASE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
MAX_FILES = 900 * 1024  # a release must fit into a Secret of 1 MiB


@rule("TFC101")
def _names(job: JobValues) -> Iterator[Diagnostic]:
    label = "" if job.data.get("fullnameOverride") else RELEASE
    if label == "" and not (len(job.release) <= MAX_RELEASE and RELEASE_NAME.fullmatch(job.release)):
        allowed = f'at most {MAX_RELEASE} lowercase letters, digits, "-" and "."'
        message = f'"{job.release}" is not a valid release name ({allowed})'
        yield job.diagnostic("TFC101", (), message, "choose another release name", label=RELEASE)
    path: Path = ("fullnameOverride",)
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", job.name):
        allowed = 'lowercase letters, digits and "-", starting with a letter'
        message = f"{json.dumps(job.name, ensure_ascii=False)} is not a valid Service name ({allowed})"
        fix = "set fullnameOverride, or choose another release name"
        yield job.diagnostic("TFC101", path, message, fix, label=label)
    if len(job.name) > MAX_NAME:
        shown = json.dumps(job.name, ensure_ascii=False)
        message = f"{shown} has {len(job.name)} characters, but the names of the job's objects allow {MAX_NAME}"
        fix = "set fullnameOverride, or choose a shorter release name"
        yield job.diagnostic("TFC101", path, message, fix, label=label)


@rule("TFC102")
def _command(job: JobValues) -> Iterator[Diagnostic]:
    common = job.data["program"].get("command")
    trains = [role for role in job.roles if job.runs_program(role)]
    if not common and not (trains and all(program(job.data, role)["command"] for role in trains)):
        fix = "set the training command, for example program.command: [python3, train.py]"
        yield job.diagnostic("TFC102", ("program", "command"), "missing", fix)


@rule("TFC105")
def _program_of_servers(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        if (job.data.get(role) or {}).get("program") and not job.runs_program(role):
            message = f"with strategy {job.strategy} the {role} tasks are servers, which run no program"
            fix = "remove it, or use strategy Custom"
            yield job.diagnostic("TFC105", (role, "program"), message, fix, key=True)


@rule("TFC106")
def _python_of_servers(job: JobValues) -> Iterator[Diagnostic]:
    places = [("pythonFrom",), *((role, "pythonFrom") for role in job.roles)]
    for place in places if job.strategy != "Custom" else ():
        holder = (job.data.get(place[0]) or {}) if len(place) > 1 else job.data
        if holder.get("pythonFrom"):
            needs = "the tasks need TensorFlow, and so the image's own Python"
            message = f"LifecycleImage, but with strategy {job.strategy} {needs}"
            yield job.diagnostic("TFC106", place, message, "remove it, or use strategy Custom")


@rule("TFC103")
def _program_twice(job: JobValues) -> Iterator[Diagnostic]:
    if job.files and job.data["program"].get("existingConfigMap"):
        message = "set together with program.files, but both are mounted at /app"
        yield job.diagnostic("TFC103", ("program", "existingConfigMap"), message, "keep one of them", key=True)


@rule("TFC104")
def _program_size(job: JobValues) -> Iterator[Diagnostic]:
    size = sum(len(text.encode("utf-8", errors="replace")) for text in job.files.values())
    if size > MAX_FILES:
        message = f"{size // 1024} KiB in total, but a release has room for 900"
        yield job.diagnostic("TFC104", ("program", "files"), message, "put the program into the image", key=True)


@rule("TFC110")
def _missing_roles(job: JobValues) -> Iterator[Diagnostic]:
    count, strategy = job.replicas, job.strategy
    by_strategy = (("strategy",),)
    if strategy in ("ParameterServer", "InGraph") and not count["chief"]:
        message = f"0, but with strategy {strategy} the chief runs the program"
        fix = "set chief.replicas: 1, or remove it"
        yield job.diagnostic("TFC110", ("chief", "replicas"), message, fix, by_strategy)
    if strategy == "ParameterServer" and not count["worker"]:
        message = "0, but with strategy ParameterServer the workers execute the training steps"
        yield job.diagnostic(
            "TFC110", ("worker", "replicas"), message, "set worker.replicas to at least 1", by_strategy
        )
    if strategy in ("ParameterServer", "BetweenGraph") and not count["ps"]:
        message = f"0, but strategy {strategy} stores the variables on parameter servers"
        fix = "set ps.replicas to at least 1, or use strategy MultiWorkerMirrored"
        yield job.diagnostic("TFC110", ("ps", "replicas"), message, fix, by_strategy)
    if strategy == "InGraph" and not count["worker"] and not count["ps"]:
        message = "0 and no parameter servers, but with strategy InGraph they execute the chief's graph"
        fix = "set worker.replicas or ps.replicas to at least 1"
        yield job.diagnostic("TFC110", ("worker", "replicas"), message, fix, (("ps", "replicas"), *by_strategy))


@rule("TFC111")
def _unused_servers(job: JobValues) -> Iterator[Diagnostic]:
    path, count = ("ps", "replicas"), job.replicas
    if job.strategy == "MultiWorkerMirrored" and count["ps"]:
        message = f"{count['ps']}, but strategy MultiWorkerMirrored does not use parameter servers"
        fix = "set ps.replicas: 0, or use strategy ParameterServer"
        yield job.diagnostic("TFC111", path, message, fix, (("strategy",),))
    elif count["ps"] and not count["worker"] and not count["chief"]:
        message = f"{count['ps']}, but there is no chief or worker to use the parameter servers"
        fix = "set worker.replicas or chief.replicas to at least 1, or ps.replicas to 0"
        related = (("worker", "replicas"), ("chief", "replicas"), ("strategy",))
        yield job.diagnostic("TFC111", path, message, fix, related)


@rule("TFC112")
def _no_task_trains(job: JobValues) -> Iterator[Diagnostic]:
    count, strategy = job.replicas, job.strategy
    any_task = count["worker"] or count["chief"] or (count["ps"] and strategy != "MultiWorkerMirrored")  # then TFC111
    if strategy in ("BetweenGraph", "MultiWorkerMirrored", "Custom") and not any_task:
        fix = "set worker.replicas or chief.replicas to at least 1"
        message = "0 and no chief, so no task trains"
        yield job.diagnostic("TFC112", ("worker", "replicas"), message, fix, (("chief", "replicas"),))


@rule("TFC120")
def _success_policy(job: JobValues) -> Iterator[Diagnostic]:
    path: Path = ("completion", "successPolicy")
    policy, count = job.data["completion"].get("successPolicy"), job.replicas
    if policy == "Chief" and not count["chief"]:
        fix = "set chief.replicas: 1, or remove the policy"
        yield job.diagnostic("TFC120", path, "Chief, but there is no chief", fix)
    if policy in ("Worker0", "AllWorkers"):
        if not count["worker"]:
            fix = "set worker.replicas to at least 1, or remove the policy"
            yield job.diagnostic("TFC120", path, f"{policy}, but there is no worker", fix)
        elif "worker" not in job.strategies[job.strategy]["program"]:
            message = f"{policy}, but with strategy {job.strategy} the workers are servers that never end"
            yield job.diagnostic("TFC120", path, message, "remove the policy, so that the chief decides")


def tf_config_bytes(name: str, replicas: dict[str, int]) -> int:
    """The length of the longest TF_CONFIG of a job, in the form of task/job_spec.py, without making it."""
    total, task = len('{"cluster":{},"task":{"index":,"type":""}}') - 1, 0
    for role, count in replicas.items():
        if count > 0:
            digits = sum(max(0, count - power) for power in (0, 10, 100, 1000, 10000))
            address = len('"--.:2222",') + len(role) + 2 * len(name)
            total += count * address + digits + len('"":[],') + len(role) - 1
            task = max(task, len(role) + len(str(count - 1)))
    return total + task


@rule("TFC130")
def _size(job: JobValues) -> Iterator[Diagnostic]:
    size = tf_config_bytes(job.name, job.replicas)
    if size > MAX_TF_CONFIG_BYTES:
        message = f"the addresses of all tasks make a TF_CONFIG of {size} bytes, but Linux allows {MAX_TF_CONFIG_BYTES}"
        fix = "set fewer replicas, or a shorter fullnameOverride"
        yield job.diagnostic("TFC130", ("worker", "replicas"), message, fix, (("ps", "replicas"),))


@rule("TFC160")
def _unused_claim(job: JobValues) -> Iterator[Diagnostic]:
    checkpoint = job.data["checkpoint"]
    claim = checkpoint.get("existingClaim")
    if claim and not checkpoint.get("enabled"):
        fix = "set checkpoint.enabled: true, or remove the claim"
        message = f'"{claim}", but checkpoint.enabled is false'
        yield job.diagnostic("TFC160", ("checkpoint", "existingClaim"), message, fix)


@rule("TFC162")
def _without_volume(job: JobValues) -> Iterator[Diagnostic]:
    uses = (
        ("logs", "persist", "there is no volume for the logs"),
        ("tensorboard", "enabled", "there is nothing to show"),
    )
    for section, key, consequence in uses:
        if job.data[section].get(key) and not job.data["checkpoint"].get("enabled"):
            message = f"true, but checkpoint.enabled is false, so {consequence}"
            fix = f"set checkpoint.enabled: true, or {section}.{key}: false"
            yield job.diagnostic("TFC162", (section, key), message, fix, (("checkpoint", "enabled"),))


@rule("TFC163")
def _ingress(job: JobValues) -> Iterator[Diagnostic]:
    board = job.data["tensorboard"]
    if board.get("enabled") and board["ingress"].get("enabled") and not board["ingress"].get("host"):
        message = "missing, so the Ingress would match every host"
        yield job.diagnostic("TFC163", ("tensorboard", "ingress", "host"), message, "set the host name of TensorBoard")


@rule("TFC164")
def _closed_port(job: JobValues) -> Iterator[Diagnostic]:
    uses = (("tensorboard", "ingress", "the ingress controller"), ("metrics", "podMonitor", "Prometheus"))
    for section, key, who in uses:
        values = job.data[section]
        used = values.get("enabled") and values[key].get("enabled")
        if used and job.data["networkPolicy"].get("enabled") and not values.get("from"):
            message, fix = f"missing, so the network policy keeps {who} out", "set its pods: [{namespaceSelector: …}]"
            yield job.diagnostic("TFC164", (section, "from"), message, fix, ((section, key, "enabled"),))


@rule("TFC161")
def _claim_modes(job: JobValues) -> Iterator[Diagnostic]:
    path, checkpoint = ("checkpoint", "accessModes"), job.data["checkpoint"]
    modes, tasks = set(checkpoint["accessModes"]), sum(job.replicas.values())
    if not checkpoint["enabled"] or checkpoint.get("existingClaim"):
        return
    if modes == {"ReadOnlyMany"}:
        yield job.diagnostic("TFC161", path, "ReadOnlyMany volumes cannot be written", "use [ReadWriteMany]")
    if "ReadWriteOncePod" in modes and tasks > 1:
        message = f"ReadWriteOncePod allows one pod, but this job has {tasks}"
        yield job.diagnostic("TFC161", path, message, "use [ReadWriteMany]")


@rule("TFC190")
def _service_account(job: JobValues) -> Iterator[Diagnostic]:
    account = job.data["serviceAccount"]
    if not (account.get("create") or account.get("name")):
        message = "missing, but serviceAccount.create is false"
        fix = "set the name of an account with the permissions that `tfconfig role` prints, or set create: true"
        yield job.diagnostic("TFC190", ("serviceAccount", "name"), message, fix, (("serviceAccount", "create"),))
