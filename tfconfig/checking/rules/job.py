"""Rules about the job as a whole: its name, program, roles, policies and size."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfconfig.checking.rules.registry import RELEASE, Found, Job, Path, rule
from tfconfig.tensorflow_job.task.job_spec import MAX_TF_CONFIG_BYTES

MAX_NAME = 42  # StatefulSet names have room for 52 characters (kubernetes#64023), and "-evaluator" takes 10
MAX_RELEASE = 53  # Helm's own limit
RELEASE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
MAX_FILES = 900 * 1024  # a release must fit into a Secret of 1 MiB


@rule("TFC101")
def _names(job: Job) -> Iterator[Found]:
    label = "" if job.data.get("fullnameOverride") else RELEASE
    if label == "" and not (len(job.release) <= MAX_RELEASE and RELEASE_NAME.fullmatch(job.release)):
        found = f'"{job.release}" is not a name that Helm takes: {MAX_RELEASE} lower-case letters, digits, "-" and "."'
        yield Found((), found, "choose another release name", label=RELEASE)
    path: Path = ("fullnameOverride",)
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", job.name):
        yield Found(
            path,
            f'"{job.name}" cannot be the name of a Service, which takes lower-case letters, digits and "-", and '
            "starts with a letter",
            "set fullnameOverride, or choose another release name",
            label=label,
        )
    if len(job.name) > MAX_NAME:
        yield Found(
            path,
            f'"{job.name}" has {len(job.name)} characters and the job\'s objects have room for {MAX_NAME}',
            "set fullnameOverride, or choose a shorter release name",
            label=label,
        )


@rule("TFC102")
def _command(job: Job) -> Iterator[Found]:
    if not job.data["program"].get("command"):
        fix = "give the command that trains, for example program.command: [python3, train.py]"
        yield Found(("program", "command"), "missing", fix)


@rule("TFC103")
def _program_twice(job: Job) -> Iterator[Found]:
    if job.files and job.data["program"].get("existingConfigMap"):
        found = "given together with program.files, and both would be mounted at /app"
        yield Found(("program", "existingConfigMap"), found, "keep one of them", key=True)


@rule("TFC104")
def _program_size(job: Job) -> Iterator[Found]:
    size = sum(len(text.encode("utf-8", errors="replace")) for text in job.files.values())
    if size > MAX_FILES:
        found = f"{size // 1024} KiB in all, and a release has room for 900"
        yield Found(("program", "files"), found, "put the program into the image", key=True)


@rule("TFC110")
def _missing_roles(job: Job) -> Iterator[Found]:
    count, strategy = job.replicas, job.strategy
    by_strategy = (("strategy",),)
    if strategy in ("ParameterServer", "InGraph") and not count["chief"]:
        found = f"0, but with strategy {strategy} the chief runs the program"
        yield Found(("chief", "replicas"), found, "set chief.replicas: 1, or leave it out", by_strategy)
    if strategy == "ParameterServer" and not count["worker"]:
        found = "0, but with strategy ParameterServer the workers do the chief's steps"
        yield Found(("worker", "replicas"), found, "set worker.replicas to at least 1", by_strategy)
    if strategy in ("ParameterServer", "BetweenGraph") and not count["ps"]:
        found = f"0, but with strategy {strategy} the variables are on parameter servers"
        fix = "set ps.replicas to at least 1, or take strategy MultiWorkerMirrored"
        yield Found(("ps", "replicas"), found, fix, by_strategy)
    if strategy == "InGraph" and not count["worker"] and not count["ps"]:
        found = "0 and no parameter servers, but with strategy InGraph the chief's graph runs on them"
        fix = "set worker.replicas or ps.replicas to at least 1"
        yield Found(("worker", "replicas"), found, fix, (("ps", "replicas"), *by_strategy))


@rule("TFC111")
def _useless_servers(job: Job) -> Iterator[Found]:
    count = job.replicas
    if job.strategy == "MultiWorkerMirrored" and count["ps"]:
        found = f"{count['ps']} parameter servers, but strategy MultiWorkerMirrored has no use for them"
        yield Found(("ps", "replicas"), found, "set ps.replicas: 0, or take strategy ParameterServer", (("strategy",),))
    elif count["ps"] and not count["worker"] and not count["chief"]:
        found = f"{count['ps']} parameter servers but no chief and no worker uses them"
        fix = "set worker.replicas or chief.replicas to at least 1, or ps.replicas to 0"
        yield Found(("ps", "replicas"), found, fix, (("worker", "replicas"), ("chief", "replicas"), ("strategy",)))


@rule("TFC112")
def _nobody_trains(job: Job) -> Iterator[Found]:
    count, strategy = job.replicas, job.strategy
    somebody = count["worker"] or count["chief"] or (count["ps"] and strategy != "MultiWorkerMirrored")  # TFC111 then
    if strategy in ("BetweenGraph", "MultiWorkerMirrored", "Custom") and not somebody:
        fix = "set worker.replicas or chief.replicas to at least 1"
        yield Found(("worker", "replicas"), "0 and no chief, so no task trains", fix, (("chief", "replicas"),))


@rule("TFC120")
def _success_policy(job: Job) -> Iterator[Found]:
    path: Path = ("completion", "successPolicy")
    policy, count = job.data["completion"].get("successPolicy"), job.replicas
    if policy == "Chief" and not count["chief"]:
        yield Found(path, "Chief, but there is no chief", "set chief.replicas: 1, or leave the policy out")
    if policy in ("Worker0", "AllWorkers"):
        if not count["worker"]:
            found, fix = "but there is no worker", "set worker.replicas to at least 1, or leave the policy out"
            yield Found(path, f"{policy}, {found}", fix)
        elif "worker" not in job.strategies[job.strategy]["program"]:
            found = f"{policy}, but with strategy {job.strategy} the workers only serve and never end"
            yield Found(path, found, "leave the policy out (the chief decides)")


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
def _size(job: Job) -> Iterator[Found]:
    size = tf_config_bytes(job.name, job.replicas)
    if size > MAX_TF_CONFIG_BYTES:
        found = f"the addresses of all tasks make a TF_CONFIG of {size} bytes, and Linux starts no program with more"
        fix = "set fewer replicas, or a shorter fullnameOverride"
        yield Found(("worker", "replicas"), f"{found} than {MAX_TF_CONFIG_BYTES}", fix, (("ps", "replicas"),))


@rule("TFC160")
def _checkpoint(job: Job) -> Iterator[Found]:
    checkpoint = job.data["checkpoint"]
    claim = checkpoint.get("existingClaim")
    if claim and not checkpoint.get("enabled"):
        fix = "set checkpoint.enabled: true, or remove the claim"
        yield Found(("checkpoint", "existingClaim"), f'"{claim}", but checkpoint.enabled is false', fix)


@rule("TFC162")
def _without_volume(job: Job) -> Iterator[Found]:
    uses = (
        ("logs", "persist", "there is no volume to keep them on"),
        ("tensorboard", "enabled", "there is nothing to show"),
    )
    for section, key, why in uses:
        if job.data[section].get(key) and not job.data["checkpoint"].get("enabled"):
            found = f"true, but checkpoint.enabled is false and {why}"
            fix = f"set checkpoint.enabled: true, or {section}.{key}: false"
            yield Found((section, key), found, fix, (("checkpoint", "enabled"),))


@rule("TFC163")
def _ingress(job: Job) -> Iterator[Found]:
    board = job.data["tensorboard"]
    if board.get("enabled") and board["ingress"].get("enabled") and not board["ingress"].get("host"):
        fix = "give the name under which TensorBoard is to be reached"
        yield Found(("tensorboard", "ingress", "host"), "missing, and without it the Ingress takes every host", fix)


@rule("TFC161")
def _claim_modes(job: Job) -> Iterator[Found]:
    checkpoint = job.data["checkpoint"]
    modes = set(checkpoint["accessModes"])
    if not checkpoint["enabled"] or checkpoint.get("existingClaim"):
        return
    if modes == {"ReadOnlyMany"}:
        found = "ReadOnlyMany takes no checkpoints"
        yield Found(("checkpoint", "accessModes"), found, "set [ReadWriteMany]")
    if "ReadWriteOncePod" in modes and sum(job.replicas.values()) > 1:
        found = f"ReadWriteOncePod lets one pod start, and this job has {sum(job.replicas.values())}"
        yield Found(("checkpoint", "accessModes"), found, "set [ReadWriteMany]")


@rule("TFC190")
def _service_account(job: Job) -> Iterator[Found]:
    account = job.data["serviceAccount"]
    if not (account.get("create") or account.get("name")):
        fix = "name an account with the rights of the lifecycle (`tfconfig role` prints them), or set create: true"
        yield Found(
            ("serviceAccount", "name"),
            "missing, and serviceAccount.create is false",
            fix,
            (("serviceAccount", "create"),),
        )
