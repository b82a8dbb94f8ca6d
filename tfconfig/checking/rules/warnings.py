"""Warnings: what Kubernetes accepts, and what then goes wrong, is wasted or is a risk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tfconfig.checking.rules.pods import mounts
from tfconfig.checking.rules.registry import SHELL, STOCK_IMAGE, SUBSTITUTION, CommandLine, JobValues, Path, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.values import job_spec
from tfconfig.values.quantity import parse
from tfconfig.values.role_settings import asks_for_devices
from tfconfig.values.secrecy import SECRET_NAME, SECRET_TEXT

# Seconds. A program gets its grace period less what `task` needs to kill it in time (task/task.py).
SHORTEST_GRACE = 5

_SHELL_SYNTAX = re.compile(r"^(&&|\|\|?|;|>{1,2}|<|2>&1)$|\$[A-Za-z_{]|`|" + SUBSTITUTION.pattern)
_REMOTE = re.compile(r"\b(gs|s3|s3a|hdfs|abfss?|wasbs?|viewfs)://")
_SECRET_ARGUMENT = re.compile(r"--?([\w-]+)=(.+)", re.DOTALL)
_CHECKPOINT_PATH = re.compile(r"check-?points?|ckpt|model[_-]?dir", re.IGNORECASE)
_MOVING_TAG = re.compile(r"(latest|nightly)(-|$)|(main|master|edge|stable)$")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_GPU_IMAGE = re.compile(r"(^|[-_./])(gpu|cuda|cu\d+|cudnn|rocm)")


@rule("TFC301", "TFC302", "TFC303", "TFC304")
def _commands(job: JobValues) -> Iterator[Diagnostic]:
    for line in job.command_lines:
        if line.command:
            yield from _command(job, line)


def _command(job: JobValues, line: CommandLine) -> Iterator[Diagnostic]:
    command, parts = [word for _, word in line.command], line.parts
    shell = bool(SHELL.search(command[0]))
    first = command[0].split()
    if first != [command[0]] and not command[0].startswith("/"):
        message = f'"{command[0]}" is used as the name of a single program'
        fix = f"split it into words: [{', '.join(first)}]" if first else "write the name of a program"
        yield job.diagnostic("TFC301", parts[0][0], message, fix)
    elif not shell:
        for before, (path, word) in zip(["", *(word for _, word in parts)], parts, strict=False):
            if before != "-c" and _SHELL_SYNTAX.search(word):  # not the code of python -c
                message = f'"{word}" is shell syntax, but no shell runs this command'
                fix = "write $(NAME) for a variable; for anything else use a script, or start with [sh, -c, …]"
                yield job.diagnostic("TFC302", path, message, fix)
                break
    script = next((i for i, (_, word) in enumerate(parts) if re.fullmatch(r"-[a-z]*c", word)), None)
    if shell and script is not None and len(parts) > script + 2 and "$" not in parts[script + 1][1]:
        path, word = parts[script + 1]
        message = f'the shell runs only "{word}", and passes the following words to it as arguments of the shell'
        yield job.diagnostic("TFC303", path, message, "write the whole command line as one string")
    if job.files and not any(map(job.working_dir, line.roles)) and not shell:
        scripts = [(path, word) for path, word in parts if re.fullmatch(r"(\./|/app/)?[\w.-]+\.py", word)]
        for path, word in scripts[:1]:
            if word.rpartition("/")[2] not in job.files:
                fix = f"use one of {', '.join(sorted(job.files))}, or add the file"
                yield job.diagnostic("TFC304", path, f"{word} is not in program.files", fix)


@rule("TFC305", "TFC306")
def _tags(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        image = job.setting(role, "image")
        tag, repository = image.get("tag") or "", image.get("repository", "")
        if image.get("digest"):
            continue
        place = job.place(role, "image", "repository")
        if _MOVING_TAG.match(tag):
            message = f"{tag} may be a different image tomorrow, and nodes keep the one that they have"
            fix = "use a version, or set image.digest"
            yield job.diagnostic("TFC305", job.place(role, "image", "tag"), message, fix)
        elif not tag and job.values.is_set(place) and not STOCK_IMAGE.search(repository):
            message = f"{repository} has no tag, so the chart uses that of its default TensorFlow image"
            yield job.diagnostic("TFC306", place, message, "set image.tag")
    for place, container in job.containers().items():
        name = container["image"].rpartition("/")[2]
        if not re.search(r"[@\s]", name) and (":" not in name or _MOVING_TAG.match(name.partition(":")[2])):
            message = f"{container['image']} may be a different image tomorrow"
            yield job.diagnostic("TFC305", (*place, "image"), message, "add a version after a colon")


@rule("TFC307")
def _secrets(job: JobValues) -> Iterator[Diagnostic]:
    texts: dict[Path, tuple[str, Any]] = {}
    for role in job.roles:
        texts.update((job.place(role, "env", name), (name, value)) for name, value in job.setting(role, "env").items())
        for key in ("initContainers", "extraContainers"):
            for place, container in job.entries(role, key):
                for j, variable in enumerate(container.get("env") or []):
                    texts[(*place, "env", j, "value")] = (variable["name"], variable.get("value"))
    for path, word in (item for line in job.command_lines for item in line.parts):
        argument = _SECRET_ARGUMENT.fullmatch(word)
        texts[path] = (argument[1], argument[2]) if argument else ("", word)
    for path, (name, text) in texts.items():
        literal = isinstance(text, str) and text and not text.startswith(("/", "$("))
        if literal and (SECRET_NAME.search(name) or SECRET_TEXT.search(text)):
            message = "looks like a secret, and everyone with access to the release or its pods can read it"
            fix = "put it into a Secret: valueFrom: {secretKeyRef: {name: …, key: …}}, and $(NAME) in arguments"
            yield job.diagnostic("TFC307", path, message, fix)


# Settings of security contexts that the Pod Security Standards `restricted` and, mostly, `baseline` forbid.
_UNSAFE: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("privileged",), True),
    (("allowPrivilegeEscalation",), True),
    (("runAsUser",), 0),
    (("runAsNonRoot",), False),
    (("seccompProfile", "type"), "Unconfined"),
    (("appArmorProfile", "type"), "Unconfined"),
    (("procMount",), "Unmasked"),
    (("windowsOptions", "hostProcess"), True),
)


@rule("TFC308")
def _privileges(job: JobValues) -> Iterator[Diagnostic]:
    contexts: dict[Path, Any] = {}
    for key in ("podSecurityContext", "securityContext"):
        contexts.update((path, value) for _, path, value in job.settings(key))
        contexts["lifecycle", key] = (job.data.get("lifecycle") or {}).get(key)
    for role in job.roles:
        for part in ("podSpec", "container"):
            contexts.update(job.layers(role, part, "securityContext"))
    ports: dict[Path, Any] = {}
    for place, container in job.containers().items():
        contexts[(*place, "securityContext")] = container.get("securityContext")
        ports[(*place, "ports")] = container.get("ports")
    for role in job.roles:
        ports.update(job.layers(role, "container", "ports"))
    for path, items in ports.items():
        for j, port in enumerate(items or []):
            if port.get("hostPort"):
                message = "a port of the node, so that each node has room for one such pod only"
                yield job.diagnostic("TFC308", (*path, j, "hostPort"), message, "remove it")
    for path, context in contexts.items():
        yield from _unsafe_settings(job, path, context or {})
    volumes: dict[Path, Any] = {("data", name, "volume"): data.get("volume") for name, data in job.volumes.items()}
    for role in job.roles:
        volumes.update(job.entries(role, "extraVolumes"))
        for path, items in job.layers(role, "podSpec", "volumes"):
            volumes.update(((*path, i), item) for i, item in enumerate(items))
    for path, volume in volumes.items():
        if "hostPath" in (volume or {}):
            message = "a folder of the node: different on each node, and forbidden by the Pod Security Standards"
            yield job.diagnostic("TFC308", (*path, "hostPath"), message, "use a claim, or nfs", key=True)


def _unsafe_settings(job: JobValues, path: Path, context: Mapping[str, Any]) -> Iterator[Diagnostic]:
    violation = "violates the Pod Security Standard `restricted`"
    fix = "remove it, or run the job in a namespace that allows it"
    for keys, unsafe in _UNSAFE:
        value: Any = context
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if keys == ("runAsUser",) and context.get("runAsNonRoot"):
            continue  # TFC210
        if value is not None and value == unsafe and job.values.is_set((*path, *keys)):
            yield job.diagnostic("TFC308", (*path, *keys), f"{json.dumps(value)} {violation}", fix)
    for i, name in enumerate((context.get("capabilities") or {}).get("add") or []):
        if name != "NET_BIND_SERVICE":
            yield job.diagnostic("TFC308", (*path, "capabilities", "add", i), f"{name} {violation}", fix)


@rule("TFC310")
def _absent_roles(job: JobValues) -> Iterator[Diagnostic]:
    for role, count in job.replicas.items():
        for key, value in (job.data.get(role) or {}).items():
            if not count and key != "replicas" and value and job.values.is_own((role, key)):
                fix = f"remove it, or set {role}.replicas"
                yield job.diagnostic("TFC310", (role, key), f"set, but this job has no {role}", fix, key=True)


@rule("TFC311")
def _without_effect(job: JobValues) -> Iterator[Diagnostic]:
    data, checkpoint, restart = job.data, job.data["checkpoint"], job.data["restart"]
    never = restart["policy"] == "Never" and not restart.get("alwaysRoles")
    reasons = {
        "server.imports": not any(not job.runs_program(role) for role in job.roles)
        and "no role runs a built-in server",
        "restart.retryableExitCodes": data["restart"]["policy"] != "ExitCode" and "restart.policy is not ExitCode",
        "restart.nodeLossGraceSeconds": data["restart"]["nodeLoss"] != "Replace" and "restart.nodeLoss is not Replace",
        "python": data.get("pythonFrom") and "pythonFrom is set",
        "restart.alwaysRoles": restart.get("alwaysRoles")
        and not any(job.runs_program(role) for role in restart["alwaysRoles"])
        and "no role of it runs the program in this job",
        "restart.backoffLimit": never and "restart.policy is Never",
        "restart.repeatLimit": never and "restart.policy is Never",
        "completion.evaluatorGraceSeconds": not job.replicas["evaluator"] and "this job has no evaluator",
        "gpuResource": not any(job_spec.gpus(data, role) for role in job.roles) and "no role has gpus",
        "networkPolicy.extraPeers": not data["networkPolicy"]["enabled"] and "networkPolicy.enabled is false",
        "serviceAccount.annotations": not data["serviceAccount"].get("create") and "serviceAccount.create is false",
    }
    off = not data["logs"].get("persist") and "logs.persist is false"
    reasons.update({f"logs.{key}": off for key in ("maxBytes", "files")})
    off = not data["metrics"].get("enabled") and "metrics.enabled is false"
    reasons.update({f"metrics.podMonitor.{key}": off for key in ("enabled", "labels", "interval")})
    reasons.update(
        {f"metrics.{what}.{key}": off for what in ("prometheusRule", "dashboard") for key in ("enabled", "labels")}
    )
    off = not data["tensorboard"].get("enabled") and "tensorboard.enabled is false"
    reasons.update({f"tensorboard.{key}": off for key in ("directory", "image", "resources", "ingress")})
    given = checkpoint.get("existingClaim") and "checkpoint.existingClaim is set"
    off = not checkpoint.get("enabled") and "checkpoint.enabled is false"
    reasons.update({f"checkpoint.{key}": off or given for key in ("size", "accessModes", "storageClassName", "keep")})
    reasons.update({f"checkpoint.{key}": off for key in ("mountPath", "directory")})
    for name, reason in reasons.items():
        path = tuple(name.split("."))
        if reason and job.values.is_own(path):
            fix = "remove it, or change the other value"
            yield job.diagnostic("TFC311", path, f"has no effect, because {reason}", fix, key=True)


@rule("TFC312")
def _deadlines(job: JobValues) -> Iterator[Diagnostic]:
    active_path, start_path = ("deadlines", "activeSeconds"), ("deadlines", "startSeconds")
    active, start = job.data["deadlines"].get("activeSeconds"), job.data["deadlines"].get("startSeconds")
    if not active:
        return
    if start and start >= active:
        message = f"{start}, but the job ends after deadlines.activeSeconds: {active}"
        yield job.diagnostic("TFC312", start_path, message, "set it lower than activeSeconds", (active_path,))
    for _, path, grace in job.settings("terminationGracePeriodSeconds"):
        if grace >= active:
            message = f"{active}, but a task may take {grace} s to stop (terminationGracePeriodSeconds)"
            fix = "increase it, or decrease terminationGracePeriodSeconds"
            yield job.diagnostic("TFC312", active_path, message, fix, (path,))


@rule("TFC345")
def _last_scrape(job: JobValues) -> Iterator[Diagnostic]:
    metrics = job.data["metrics"]
    monitor, stays = metrics.get("podMonitor") or {}, metrics.get("lastScrapeSeconds")
    interval = re.fullmatch(r"(\d+)(ms|s|m|h)", monitor.get("interval") or "")
    if not (metrics.get("enabled") and monitor.get("enabled") and stays and interval):
        return
    if int(interval[1]) * _SECONDS[interval[2]] > stays:
        message = f"{stays}, but Prometheus scrapes every {interval[0]}, and may never see how the job ended"
        fix = "set it to the interval, or longer"
        related = (("metrics", "podMonitor", "interval"),)
        yield job.diagnostic("TFC345", ("metrics", "lastScrapeSeconds"), message, fix, related)


@rule("TFC313")
def _grace_period(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        grace = job.setting(role, "terminationGracePeriodSeconds")
        if job.runs_program(role) and grace < SHORTEST_GRACE and job.data["checkpoint"]["enabled"]:
            path = job.place(role, "terminationGracePeriodSeconds")
            yield job.diagnostic("TFC313", path, f"{grace} s is too short to save a checkpoint", "use 30 or more")


@rule("TFC331")
def _shared_memory(job: JobValues) -> Iterator[Diagnostic]:
    for role in job.roles:
        size = job.setting(role, "shmSize")
        limit = ((job.setting(role, "resources") or {}).get("limits") or {}).get("memory")
        if size and limit and parse(size).nanos > parse(limit).nanos:
            message = f"{size} is more than the memory limit of {limit}, which /dev/shm counts against"
            path = job.place(role, "shmSize")
            related = (*job.place(role, "resources"), "limits", "memory")
            yield job.diagnostic("TFC331", path, message, "raise the limit, or lower shmSize", (related,))


@rule("TFC314", "TFC315")
def _restarts(job: JobValues) -> Iterator[Diagnostic]:
    restart = job.data["restart"]
    if restart["policy"] == "Never":
        return
    elsewhere = _REMOTE.search(
        json.dumps([job.data["program"], *(line.parts for line in job.command_lines), job.data.get("env")], default=str)
    )
    if restart["backoffLimit"] and not job.data["checkpoint"]["enabled"] and not elsewhere:
        message = "false, so a restarted task starts again at step 0"
        fix = "set it to true, or restart.policy: Never"
        yield job.diagnostic("TFC314", ("checkpoint", "enabled"), message, fix, (("restart", "policy"),))
    for i, code in enumerate(restart.get("uncountedExitCodes") or []):
        if code == 1 and restart["policy"] == "OnFailure":
            message = "1 is the exit code of every Python error, so a broken program would be restarted forever"
            fix = "let the program exit with another code"
            yield job.diagnostic("TFC315", ("restart", "uncountedExitCodes", i), message, fix)


@rule("TFC316", "TFC317", "TFC318", "TFC319")
def _checkpoints(job: JobValues) -> Iterator[Diagnostic]:
    checkpoint = job.data["checkpoint"]
    if job.replicas["evaluator"] and not checkpoint["enabled"]:
        message = "false, but the evaluator waits for checkpoints"
        fix = "set it to true, or evaluator.replicas: 0"
        yield job.diagnostic("TFC316", ("checkpoint", "enabled"), message, fix, (("evaluator", "replicas"),))
    if checkpoint["enabled"] and not checkpoint.get("existingClaim") and sum(job.replicas.values()) > 1:
        modes = checkpoint["accessModes"]
        if "ReadWriteOnce" in modes and "ReadWriteMany" not in modes:
            message = "ReadWriteOnce volumes can be mounted on one node only, so tasks on other nodes would not start"
            fix = "use [ReadWriteMany] with a storage class that supports it (NFS, CephFS, EFS, Filestore, …)"
            yield job.diagnostic("TFC317", ("checkpoint", "accessModes"), message, fix)
    for name, volume in job.volumes.items():
        if _starts_empty(volume.get("volume") or {}) and volume.get("readOnly", True):
            fix = "use a claim or another source; for scratch space set readOnly: false"
            yield job.diagnostic("TFC319", ("data", name, "volume"), "an empty volume that is read-only", fix)
    for role in job.roles:
        kinds = {f"data-{name}": _deleted_with_pod(data.get("volume") or {}) for name, data in job.volumes.items()}
        kinds |= {volume["name"]: _deleted_with_pod(volume) for volume in job.setting(role, "extraVolumes") or []}
        for mount in mounts(job, role):
            inside = checkpoint["enabled"] and f"{mount.path}/".startswith(checkpoint["mountPath"].rstrip("/") + "/")
            if (
                kinds.get(mount.volume)
                and mount.place[:1] != ("checkpoint",)
                and (inside or _CHECKPOINT_PATH.search(mount.path))
            ):
                message = f"{mount.path} is an {kinds[mount.volume]} volume, which is deleted with the pod"
                yield job.diagnostic("TFC318", mount.place, message, "save checkpoints in $(CHECKPOINT_DIR)")


def _deleted_with_pod(volume: Mapping[str, Any]) -> str:
    """The kind of a volume that is created and deleted with its pod; empty for others."""
    return next((kind for kind in ("emptyDir", "ephemeral") if kind in volume), "")


def _starts_empty(volume: Mapping[str, Any]) -> bool:
    claim = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec") or {}
    return bool(_deleted_with_pod(volume)) and not (claim.get("dataSource") or claim.get("dataSourceRef"))


@rule("TFC320", "TFC321", "TFC322", "TFC323", "TFC324")
def _gpus(job: JobValues) -> Iterator[Diagnostic]:
    counts = {role: job_spec.gpus(job.data, role) for role in job.roles}
    if counts.get("ps"):
        message = "parameter servers store variables and compute little, so their GPUs would be idle"
        yield job.diagnostic("TFC320", ("ps", "gpus"), message, "assign the GPUs to the chief or the workers")
    for role in job.roles:
        image, variable = job.setting(role, "image"), job.setting(role, "env").get("NVIDIA_VISIBLE_DEVICES")
        tag, repository = image.get("tag") or "", image.get("repository", "")
        name = f"{repository}:{tag}".rstrip(":")
        place = job.place(role, "image", "tag" if _GPU_IMAGE.search(tag) else "repository")
        devices = any(counts.values()) or any(asks_for_devices(job.data, each) for each in job.roles)
        if _GPU_IMAGE.search(name.lower()) and not devices and job.values.is_set(place):
            yield job.diagnostic("TFC321", place, f"{name} is a GPU image, but no role has gpus", "set worker.gpus")
        without_gpu = STOCK_IMAGE.search(repository) and not image.get("digest") and not _GPU_IMAGE.search(tag)
        if counts[role] and without_gpu:
            message = f"{counts[role]}, but {name} has no GPU support"
            related = (job.place(role, "image", "tag"),)
            yield job.diagnostic("TFC322", (role, "gpus"), message, "use an image tag that ends with -gpu", related)
        if variable and variable != "void":
            message = "bypasses the GPUs that Kubernetes assigned to the pod, and may use GPUs of other pods"
            path = job.place(role, "env", "NVIDIA_VISIBLE_DEVICES")
            yield job.diagnostic("TFC323", path, message, "remove it, and set gpus of the role", key=True)
    for key in ("onSuccess", "onFailure"):
        if job.data["cleanup"][key] == "KeepGPUs" and any(counts.values()):
            message = "KeepGPUs, so the pods hold their GPUs until the job is uninstalled"
            yield job.diagnostic("TFC324", ("cleanup", key), message, "set it to Keep, or to Delete")
