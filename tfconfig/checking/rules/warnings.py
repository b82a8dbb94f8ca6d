"""Warnings: what Kubernetes accepts, and what then goes wrong, is wasted or is a risk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tfconfig.checking.rules.pods import mounts
from tfconfig.checking.rules.registry import Found, Job, Path, rule
from tfconfig.values import job_spec

# A program gets its grace less what `task` needs to kill it in time (task/task.py); less than this saves nothing.
SHORTEST_GRACE = 5

_SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh")
_SHELL_SYNTAX = re.compile(r"^(&&|\|\|?|;|>{1,2}|<|2>&1)$|\$[A-Za-z_{]|`")
_REMOTE = re.compile(r"\b(gs|s3|s3a|hdfs|abfss?|wasbs?|viewfs)://")
_SECRET_NAME = re.compile(
    r"(^|[_-])(passw(or)?d|secret|token|api[_-]?key|(access|secret|private)[_-]key|credentials?)([_-]key)?$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"\b(AKIA[0-9A-Z]{16}|gh[pousr]_\w{36}|hf_\w{30,}|glpat-[\w-]{20})\b|-----BEGIN [A-Z ]*PRIVATE KEY|"
    r"[a-z]://[^/\s:@$]+:[^/\s:@$]+@"
)
_SECRET_ARGUMENT = re.compile(r"--?([\w-]+)=(.+)", re.DOTALL)
_CHECKPOINT_PLACE = re.compile(r"check-?points?|ckpt|model[_-]?dir", re.IGNORECASE)
_MOVING_TAG = re.compile(r"(latest|nightly)(-|$)|(main|master|edge|stable)$")
_SAYS_GPU = re.compile(r"(^|[-_./])(gpu|cuda|cu\d+|cudnn|rocm)")


@rule("TFC301", "TFC302", "TFC303", "TFC304")
def _command(job: Job) -> Iterator[Found]:
    program = job.data["program"]
    command, args = program.get("command") or [], program.get("args") or []
    if not command:
        return
    words = [(("program", "command", i), word) for i, word in enumerate(command)]
    words += [(("program", "args", i), word) for i, word in enumerate(args)]
    shell = command[0].rpartition("/")[2] in _SHELLS
    first = command[0].split()
    if len(first) > 1 and not command[0].startswith("/"):
        fix = f"write one word an element: [{', '.join(first)}]"
        yield Found(words[0][0], f'"{command[0]}" is taken as the name of one program', fix)
    elif not shell:
        for before, (path, word) in zip(["", *(word for _, word in words)], words, strict=False):
            if before != "-c" and _SHELL_SYNTAX.search(word):  # not the code of python -c
                fix = "write $(NAME) for a variable; for the rest, put it into a script or start it with [sh, -c, …]"
                yield Found(path, f'"{word}" means something to a shell only, and none reads it', fix, rule="TFC302")
                break
    script = next((i for i, (_, word) in enumerate(words) if re.fullmatch(r"-[a-z]*c", word)), None)
    if shell and script is not None and len(words) > script + 2 and "$" not in words[script + 1][1]:
        path, word = words[script + 1]
        found = f'the shell runs "{word}" alone, and takes the words after it for its own arguments'
        yield Found(path, found, "write the whole line as one text", rule="TFC303")
    if job.files and not program.get("workingDir") and not shell:
        scripts = [(path, word) for path, word in words if re.fullmatch(r"(\./|/app/)?[\w.-]+\.py", word)]
        for path, word in scripts[:1]:
            if word.rpartition("/")[2] not in job.files:
                fix = f"write one of {', '.join(sorted(job.files))}, or add the file"
                yield Found(path, f"{word} is not among program.files", fix, rule="TFC304")


@rule("TFC305", "TFC306")
def _tags(job: Job) -> Iterator[Found]:
    for role in job.roles:
        image = job.setting(role, "image")
        tag, repository = image.get("tag") or "", image.get("repository", "")
        if image.get("digest"):
            continue
        place = job.place(role, "image", "repository")
        if _MOVING_TAG.match(tag):
            fix = "name a version, or give image.digest"
            found = f"{tag} is another image tomorrow, and nodes that have an old one keep it"
            yield Found(job.place(role, "image", "tag"), found, fix)
        elif not tag and job.values.is_set(place) and not re.search(r"(^|/)tensorflow/tensorflow$", repository):
            found = f"{repository} without a tag, so the chart takes that of its own TensorFlow"
            yield Found(place, found, "set image.tag", rule="TFC306")
    for key in ("initContainers", "extraContainers"):
        for _, place, containers in job.settings(key):
            for i, container in enumerate(containers or []):
                name = container["image"].rpartition("/")[2]
                if not re.search(r"[@\s]", name) and (":" not in name or _MOVING_TAG.match(name.partition(":")[2])):
                    found = f"{container['image']} is another image tomorrow"
                    yield Found((*place, i, "image"), found, "name a version after a colon")


@rule("TFC307")
def _secrets(job: Job) -> Iterator[Found]:
    texts: dict[Path, tuple[str, Any]] = {}
    for role in job.roles:
        texts.update((job.place(role, "env", name), (name, value)) for name, value in job.setting(role, "env").items())
        for key in ("initContainers", "extraContainers"):
            for i, container in enumerate(job.setting(role, key) or []):
                for j, one in enumerate(container.get("env") or []):
                    texts[(*job.place(role, key), i, "env", j, "value")] = (one["name"], one.get("value"))
    for key in ("command", "args"):
        for i, word in enumerate(job.data["program"].get(key) or []):
            argument = _SECRET_ARGUMENT.fullmatch(word)
            texts["program", key, i] = (argument[1], argument[2]) if argument else ("", word)
    for path, (name, text) in texts.items():
        plain = isinstance(text, str) and text and not text.startswith(("/", "$("))
        if plain and (_SECRET_NAME.search(name) or _SECRET_TEXT.search(text)):
            found = "looks like a secret, and everybody who may read the release or its pods can read it"
            fix = "keep it in a Secret: valueFrom: {secretKeyRef: {name: …, key: …}}, and $(NAME) in arguments"
            yield Found(path, found, fix)


# Settings of security contexts that the Pod Security Standards `restricted` and, mostly, `baseline` refuse.
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
def _privileges(job: Job) -> Iterator[Found]:
    contexts: dict[Path, Any] = {}
    for key in ("podSecurityContext", "securityContext"):
        contexts.update((path, value) for _, path, value in job.settings(key))
        contexts["lifecycle", key] = (job.data.get("lifecycle") or {}).get(key)
    for key in ("initContainers", "extraContainers"):
        for _, place, containers in job.settings(key):
            for i, container in enumerate(containers or []):
                contexts[(*place, i, "securityContext")] = container.get("securityContext")
                for j, port in enumerate(container.get("ports") or []):
                    if port.get("hostPort"):
                        found = "a port of the node, of which each node has one"
                        yield Found((*place, i, "ports", j, "hostPort"), found, "remove it")
    fix = "remove it, or run the job in a namespace that allows it"
    for path, context in contexts.items():
        for keys, unsafe in _UNSAFE:
            value: Any = context
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else None
            if keys == ("runAsUser",) and context and context.get("runAsNonRoot"):
                continue  # TFC210
            if value is not None and value == unsafe and job.values.is_set((*path, *keys)):
                text = json.dumps(value)
                yield Found((*path, *keys), f"{text} is refused by the Pod Security Standard `restricted`", fix)
        for i, name in enumerate(((context or {}).get("capabilities") or {}).get("add") or []):
            if name != "NET_BIND_SERVICE":
                found = f"{name} is refused by the Pod Security Standard `restricted`"
                yield Found((*path, "capabilities", "add", i), found, fix)
    volumes: dict[Path, Any] = {("data", name, "volume"): one.get("volume") for name, one in job.volumes.items()}
    for _, place, extra in job.settings("extraVolumes"):
        volumes.update(((*place, i), volume) for i, volume in enumerate(extra or []))
    for path, volume in volumes.items():
        if "hostPath" in (volume or {}):
            found = "a folder of the node: another one on each node, and refused by Pod Security Standards"
            yield Found((*path, "hostPath"), found, "use a claim, or nfs", key=True)


@rule("TFC309")
def _open_servers(job: Job) -> Iterator[Found]:
    if not job.data["networkPolicy"]["enabled"]:
        found = "false, so that every pod of the cluster may send programs to the job's servers, which run them"
        yield Found(("networkPolicy", "enabled"), found, "set it to true; let others in with networkPolicy.extraPeers")


@rule("TFC310")
def _absent_roles(job: Job) -> Iterator[Found]:
    for role, count in job.replicas.items():
        for key, value in (job.data.get(role) or {}).items():
            if not count and key != "replicas" and value and job.values.is_set((role, key)):
                fix = f"remove it, or set {role}.replicas"
                yield Found((role, key), f"set, but this job has no {role}", fix, key=True)


@rule("TFC311")
def _without_effect(job: Job) -> Iterator[Found]:
    data, checkpoint = job.data, job.data["checkpoint"]
    reasons = {
        "server.imports": not any(not job.runs_program(role) for role in job.roles)
        and "no role runs a built-in server",
        "restart.retryableExitCodes": data["restart"]["policy"] != "ExitCode" and "restart.policy is not ExitCode",
        "restart.nodeLossGraceSeconds": data["restart"]["nodeLoss"] != "Replace" and "restart.nodeLoss is not Replace",
        "restart.backoffLimit": data["restart"]["policy"] == "Never" and "restart.policy is Never",
        "restart.uncountedExitCodes": data["restart"]["policy"] == "Never" and "restart.policy is Never",
        "completion.evaluatorGraceSeconds": not job.replicas["evaluator"] and "this job has no evaluator",
        "gpuResource": not any(job_spec.gpus(data, role) for role in job.roles) and "no role asks for gpus",
        "networkPolicy.extraPeers": not data["networkPolicy"]["enabled"] and "networkPolicy.enabled is false",
        "serviceAccount.annotations": not data["serviceAccount"].get("create") and "serviceAccount.create is false",
    }
    off = not data["logs"].get("persist") and "logs.persist is false"
    reasons.update({f"logs.{key}": off for key in ("maxBytes", "files")})
    off = not data["metrics"].get("enabled") and "metrics.enabled is false"
    reasons.update({f"metrics.podMonitor.{key}": off for key in ("enabled", "labels", "interval")})
    off = not data["tensorboard"].get("enabled") and "tensorboard.enabled is false"
    reasons.update({f"tensorboard.{key}": off for key in ("directory", "image", "resources", "ingress")})
    given = checkpoint.get("existingClaim") and "checkpoint.existingClaim is used as it is"
    off = not checkpoint.get("enabled") and "checkpoint.enabled is false"
    reasons.update({f"checkpoint.{key}": off or given for key in ("size", "accessModes", "storageClassName", "keep")})
    reasons.update({f"checkpoint.{key}": off for key in ("mountPath", "directory")})
    for name, reason in reasons.items():
        path = tuple(name.split("."))
        if reason and job.values.is_set(path):
            yield Found(path, f"without effect, because {reason}", "remove it, or change that", key=True)


@rule("TFC312")
def _deadlines(job: Job) -> Iterator[Found]:
    active, start = job.data["deadlines"].get("activeSeconds"), job.data["deadlines"].get("startSeconds")
    if not active:
        return
    if start and start >= active:
        found = f"{start}, but the job is over after deadlines.activeSeconds: {active}"
        yield Found(
            ("deadlines", "startSeconds"), found, "give it less than activeSeconds", (("deadlines", "activeSeconds"),)
        )
    for _, path, grace in job.settings("terminationGracePeriodSeconds"):
        if grace >= active:
            found = f"{active}, but a task may take {grace} s to stop (terminationGracePeriodSeconds)"
            yield Found(("deadlines", "activeSeconds"), found, "give the job more time, or its tasks less", (path,))


@rule("TFC313")
def _grace(job: Job) -> Iterator[Found]:
    for role in job.roles:
        grace = job.setting(role, "terminationGracePeriodSeconds")
        if job.runs_program(role) and grace < SHORTEST_GRACE and job.data["checkpoint"]["enabled"]:
            path = job.place(role, "terminationGracePeriodSeconds")
            yield Found(path, f"{grace}, too short for a program to save a checkpoint", "give it 30 or more")


@rule("TFC314", "TFC315")
def _restarts(job: Job) -> Iterator[Found]:
    restart = job.data["restart"]
    if restart["policy"] == "Never":
        return
    elsewhere = _REMOTE.search(json.dumps([job.data["program"], job.data.get("env")], default=str))
    if restart["backoffLimit"] and not job.data["checkpoint"]["enabled"] and not elsewhere:
        found = "false, so that a task that is started again begins at step 0"
        fix = "set it to true, or restart.policy: Never"
        yield Found(("checkpoint", "enabled"), found, fix, (("restart", "policy"),))
    for i, code in enumerate(restart.get("uncountedExitCodes") or []):
        if code == 1 and restart["policy"] == "OnFailure":
            found = "1 is how every Python error ends, and a broken program would be started again for ever"
            yield Found(
                ("restart", "uncountedExitCodes", i), found, "let the program end with a code of its own", rule="TFC315"
            )


@rule("TFC316", "TFC317", "TFC318", "TFC319")
def _checkpoints(job: Job) -> Iterator[Found]:
    checkpoint = job.data["checkpoint"]
    if job.replicas["evaluator"] and not checkpoint["enabled"]:
        found = "false, but the evaluator waits for checkpoints"
        yield Found(
            ("checkpoint", "enabled"), found, "set it to true, or evaluator.replicas: 0", (("evaluator", "replicas"),)
        )
    if checkpoint["enabled"] and not checkpoint.get("existingClaim") and sum(job.replicas.values()) > 1:
        modes = checkpoint["accessModes"]
        if "ReadWriteOnce" in modes and "ReadWriteMany" not in modes:
            found = "ReadWriteOnce can be used on one node, and tasks on other nodes would not start"
            fix = "set [ReadWriteMany] with a storage class that has it (NFS, CephFS, EFS, Filestore, …)"
            yield Found(("checkpoint", "accessModes"), found, fix, rule="TFC317")
    for name, volume in job.volumes.items():
        if _starts_empty(volume.get("volume") or {}) and volume.get("readOnly", True):
            fix = "name a claim or another source; for scratch space set readOnly: false"
            yield Found(("data", name, "volume"), "an empty folder that nobody can write to", fix, rule="TFC319")
    for role in job.roles:
        gone = {f"data-{name}": _goes_with_pod(one.get("volume") or {}) for name, one in job.volumes.items()}
        gone |= {one["name"]: _goes_with_pod(one) for one in job.setting(role, "extraVolumes") or []}
        for mount in mounts(job, role):
            inside = checkpoint["enabled"] and f"{mount.path}/".startswith(checkpoint["mountPath"].rstrip("/") + "/")
            if (
                gone.get(mount.volume)
                and mount.place[:1] != ("checkpoint",)
                and (inside or _CHECKPOINT_PLACE.search(mount.path))
            ):
                found = f"{mount.path} is an {gone[mount.volume]} volume, and what is saved there goes with the pod"
                yield Found(mount.place, found, "save checkpoints in $(CHECKPOINT_DIR)", rule="TFC318")


def _goes_with_pod(volume: Mapping[str, Any]) -> str:
    """The kind of a volume that is made with the pod and goes with it."""
    return next((kind for kind in ("emptyDir", "ephemeral") if kind in volume), "")


def _starts_empty(volume: Mapping[str, Any]) -> bool:
    claim = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec") or {}
    return bool(_goes_with_pod(volume)) and not (claim.get("dataSource") or claim.get("dataSourceRef"))


@rule("TFC320", "TFC321", "TFC322", "TFC323", "TFC324")
def _gpus(job: Job) -> Iterator[Found]:
    counts = {role: job_spec.gpus(job.data, role) for role in job.roles}
    if counts.get("ps"):
        found = "parameter servers keep variables and compute little: their GPUs would idle"
        yield Found(("ps", "gpus"), found, "give the GPUs to chief or workers")
    for role in job.roles:
        image = job.setting(role, "image")
        name = f"{image.get('repository')}:{image.get('tag') or ''}"
        place = job.place(role, "image", "tag" if _SAYS_GPU.search(image.get("tag") or "") else "repository")
        if _SAYS_GPU.search(name.lower()) and not any(counts.values()) and job.values.is_set(place):
            yield Found(
                place,
                f"{name.rstrip(':')} is made for GPUs, but no role asks for any",
                "set worker.gpus",
                rule="TFC321",
            )
        plain = re.search(r"(^|/)tensorflow/tensorflow$", image.get("repository", "")) and not image.get("digest")
        if counts[role] and plain and not _SAYS_GPU.search(image.get("tag") or ""):
            found = f"{counts[role]}, but {name.rstrip(':')} has no GPU support"
            fix = "set image.tag to one that ends with -gpu"
            yield Found((role, "gpus"), found, fix, (job.place(role, "image", "tag"),), rule="TFC322")
        if (
            job.setting(role, "env").get("NVIDIA_VISIBLE_DEVICES")
            and job.setting(role, "env")["NVIDIA_VISIBLE_DEVICES"] != "void"
        ):
            found = "overrides the GPUs that Kubernetes gives the pod, and may take those of others"
            path = job.place(role, "env", "NVIDIA_VISIBLE_DEVICES")
            yield Found(path, found, "remove it, and set gpus of the role", key=True, rule="TFC323")
    for key in ("onSuccess", "onFailure"):
        if job.data["cleanup"][key] == "Keep" and any(counts.values()):
            found = "Keep, so that the pods hold their GPUs until somebody uninstalls the job"
            yield Found(("cleanup", key), found, "set it to Delete", rule="TFC324")
