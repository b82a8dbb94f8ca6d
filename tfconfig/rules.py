"""Rules across fields: what a JSON Schema cannot say. The chart's _validate.tpl has the same rules in the same words.

Each rule has a stable id. TFC00x are about files, TFC01x come from the schema, TFC1xx are checked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tfconfig import layout
from tfconfig.diagnostics import Diagnostic, Origin, dotted, finding
from tfconfig.roles import data_volumes, setting
from tfconfig.values import Values

MAX_NAME = 42  # StatefulSet names have room for 52 characters (kubernetes#64023), and "-evaluator" takes 10
MAX_TF_CONFIG = 131061  # 128 KiB (Linux' MAX_ARG_STRLEN) less "TF_CONFIG=" and the closing NUL
MAX_FILES = 900 * 1024  # a release must fit into a Secret of 1 MiB
MADE_VARIABLES = ("TF_CONFIG", "TASK_TYPE", "TASK_INDEX", "PS_HOSTS", "WORKER_HOSTS", "CHECKPOINT_DIR")

RELEASE = "release name"

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Rule:
    """One kind of mistake."""

    id: str
    title: str
    why: str
    fix: str
    check: Callable[[Job], Iterator[Found]] | None = None  # None: found while reading or by the schema


@dataclass(frozen=True)
class Found:
    """One mistake: `path: found; fix`. `other`: values that may have been changed instead, if the user set those."""

    path: Path
    found: str
    fix: str
    other: tuple[Path, ...] = ()
    key: bool = False  # the key is the mistake rather than its value
    label: str = ""  # how the message calls it, when not by its path


class Job:
    """Values as the rules look at them."""

    def __init__(self, values: Values, release: str) -> None:
        self.values = values
        self.data: dict[str, Any] = values.data
        self.name = layout.fullname(self.data, release)
        self.strategies = values.chart.strategies

    @property
    def strategy(self) -> str:
        strategy: str = self.data["strategy"]
        return strategy

    @property
    def replicas(self) -> dict[str, int]:
        return layout.replicas(self.data, self.strategies)

    @property
    def roles(self) -> list[str]:
        return [role for role, count in self.replicas.items() if count > 0]

    @property
    def volumes(self) -> dict[str, Any]:
        return data_volumes(self.data)

    @property
    def files(self) -> dict[str, str]:
        files = self.data["program"].get("files") or {}
        return {name: text for name, text in files.items() if text is not None}


RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("TFC001", "The file is not YAML that Helm can read", "Helm stops there", "correct the line that is named"),
        Rule(
            "TFC002",
            "More than one document in a file",
            "Helm 3 reads the first alone and Helm 4 merges all, so the file means two jobs",
            "keep one document in a file",
        ),
        Rule("TFC003", "A key stands twice in a map", "Helm takes the last and says nothing", "keep one of the two"),
        Rule(
            "TFC010", "Unknown key", "a misspelt setting would be ignored, so Helm refuses it", "correct or remove it"
        ),
        Rule("TFC011", "Wrong type", "Helm refuses it", "give a value of the type named"),
        Rule("TFC012", "Value not allowed", "Helm refuses it", "give one of the values named"),
        Rule("TFC013", "Missing value", "Helm refuses it", "give the value"),
    )
}


def _rule(id: str, title: str, why: str, fix: str) -> Callable[[Callable[[Job], Iterator[Found]]], None]:
    def register(check: Callable[[Job], Iterator[Found]]) -> None:
        RULES[id] = Rule(id, title, why, fix, check)

    return register


def check(values: Values, release: str, well_formed: bool = True) -> list[Diagnostic]:
    """All mistakes across fields. With well_formed False (the schema has complained), a rule that trips is left out."""
    diagnostics: list[Diagnostic] = []
    for rule in RULES.values():
        if rule.check is None:
            continue
        try:
            found = list(rule.check(Job(values, release)))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            if well_formed:
                raise
            continue
        diagnostics += [_diagnostic(rule.id, f, values, release) for f in found]
    return diagnostics


def _diagnostic(rule: str, found: Found, values: Values, release: str) -> Diagnostic:
    places = [path for path in (found.path, *found.other) if values.is_set(path)]
    origin = values.origin(places[0] if places else found.path, found.key)
    path = dotted(found.path)
    if found.label == RELEASE:
        origin, path = Origin(f"--release {release}"), ""
    return finding(rule, origin, f"{found.label or path}: {found.found}", found.fix, path)


@_rule(
    "TFC101",
    "The job's name does not fit",
    "Kubernetes limits the names of a Service and of StatefulSets",
    "choose a shorter or simpler name",
)
def _names(job: Job) -> Iterator[Found]:
    label = "" if job.data.get("fullnameOverride") else RELEASE
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


@_rule("TFC102", "No program", "there is nothing to run", "set program.command")
def _command(job: Job) -> Iterator[Found]:
    if not job.data["program"].get("command"):
        fix = "give the command that trains, for example program.command: [python3, train.py]"
        yield Found(("program", "command"), "missing", fix)


@_rule("TFC103", "The program's files are given twice", "both would be mounted at /app", "keep one of them")
def _program_twice(job: Job) -> Iterator[Found]:
    if job.files and job.data["program"].get("existingConfigMap"):
        found = "given together with program.files, and both would be mounted at /app"
        yield Found(("program", "existingConfigMap"), found, "keep one of them", key=True)


@_rule("TFC104", "The program's files are too large", "a release has room for 1 MiB", "put the program into the image")
def _program_size(job: Job) -> Iterator[Found]:
    size = sum(len(text.encode("utf-8", errors="replace")) for text in job.files.values())
    if size > MAX_FILES:
        found = f"{size // 1024} KiB in all, and a release has room for 900"
        yield Found(("program", "files"), found, "put the program into the image", key=True)


@_rule(
    "TFC110",
    "A role that the strategy needs is missing",
    "the job would wait for it for ever, or train nothing",
    "give the role replicas, or take another strategy",
)
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


@_rule(
    "TFC111", "Parameter servers that nobody uses", "they would hold their resources for nothing", "set ps.replicas: 0"
)
def _useless_servers(job: Job) -> Iterator[Found]:
    count = job.replicas
    if job.strategy == "MultiWorkerMirrored" and count["ps"]:
        found = f"{count['ps']} parameter servers, but strategy MultiWorkerMirrored has no use for them"
        yield Found(("ps", "replicas"), found, "set ps.replicas: 0, or take strategy ParameterServer", (("strategy",),))
    elif count["ps"] and not count["worker"] and not count["chief"]:
        found = f"{count['ps']} parameter servers but no chief and no worker uses them"
        fix = "set worker.replicas or chief.replicas to at least 1, or ps.replicas to 0"
        yield Found(("ps", "replicas"), found, fix, (("worker", "replicas"), ("chief", "replicas"), ("strategy",)))


@_rule(
    "TFC112",
    "No task trains",
    "the job would have nothing to do",
    "set worker.replicas or chief.replicas to at least 1",
)
def _nobody_trains(job: Job) -> Iterator[Found]:
    count, strategy = job.replicas, job.strategy
    somebody = count["worker"] or count["chief"] or (count["ps"] and strategy != "MultiWorkerMirrored")  # TFC111 then
    if strategy in ("BetweenGraph", "MultiWorkerMirrored", "Custom") and not somebody:
        fix = "set worker.replicas or chief.replicas to at least 1"
        yield Found(("worker", "replicas"), "0 and no chief, so no task trains", fix, (("chief", "replicas"),))


@_rule(
    "TFC120",
    "The success policy names tasks that are absent or never end",
    "the job could never succeed",
    "leave completion.successPolicy out",
)
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
    """The length of the longest TF_CONFIG of a job, in the form of entrypoint/cluster.py, without making it."""
    total, task = len('{"cluster":{},"task":{"index":,"type":""}}') - 1, 0
    for role, count in replicas.items():
        if count > 0:
            digits = sum(max(0, count - power) for power in (0, 10, 100, 1000, 10000))
            address = len('"--.:2222",') + len(role) + 2 * len(name)
            total += count * address + digits + len('"":[],') + len(role) - 1
            task = max(task, len(role) + len(str(count - 1)))
    return total + task


@_rule(
    "TFC130",
    "TF_CONFIG is too large",
    "Linux starts no program with a variable of more than 128 KiB",
    "fewer tasks, or a shorter name",
)
def _size(job: Job) -> Iterator[Found]:
    size = tf_config_bytes(job.name, job.replicas)
    if size > MAX_TF_CONFIG:
        found = f"the addresses of all tasks make a TF_CONFIG of {size} bytes, and Linux starts no program with more"
        fix = "set fewer replicas, or a shorter fullnameOverride"
        yield Found(("worker", "replicas"), f"{found} than {MAX_TF_CONFIG}", fix, (("ps", "replicas"),))


@_rule(
    "TFC140",
    "A variable that the chart makes",
    "the tasks would not find each other",
    "remove it from env",
)
def _made_variables(job: Job) -> Iterator[Found]:
    for where in ((), *((role,) for role in layout.ROLES)):
        values = job.data.get(where[0]) or {} if where else job.data
        for name, value in (values.get("env") or {}).items():
            if name in MADE_VARIABLES and value is not None:
                fix = "remove it, or give the program's variable another name"
                yield Found((*where, "env", name), "made by the chart for every task", fix, key=True)


@_rule("TFC141", "A data volume's variable is taken", "one of the two would be lost", "choose another name")
def _data_variables(job: Job) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for volume, settings in sorted(job.volumes.items()):
        name = settings.get("env")
        if not name:
            continue
        path: Path = ("data", volume, "env")
        if name in MADE_VARIABLES:
            yield Found(path, f"{name} is made by the chart for every task", "choose another name")
        elif name in (job.data.get("env") or {}):
            yield Found(path, f"{name} is in env too", "remove one of them")
        elif name in seen:
            yield Found(path, f"{name} is the variable of data.{seen[name]} too", "choose another name")
        seen[name] = volume


@_rule(
    "TFC150",
    "GPUs asked for in two ways",
    "GPUs are hidden from tasks without `gpus`: others would be held for nothing",
    "set the role's gpus alone",
)
def _gpus(job: Job) -> Iterator[Found]:
    for role in job.roles:
        gpus, resource = layout.gpus(job.data, role), setting(job.data, role, "gpuResource")
        for part in ("limits", "requests"):
            for name, amount in sorted(((setting(job.data, role, "resources") or {}).get(part) or {}).items()):
                base: Path = (role,) if "resources" in (job.data.get(role) or {}) else ()
                found = f"{gpus}, but its resources.{part} have {_go(amount)} of {name}"
                other = ((*base, "resources", part, name),)
                if name == resource:
                    if _go(amount) != str(gpus):
                        yield Found((role, "gpus"), found, f"set {role}.gpus alone", other)
                elif not gpus and re.search(r"^nvidia\.com/|/gpu$", name):
                    fix = f"set gpuResource: {name} and {role}.gpus: {_go(amount)} instead"
                    yield Found((role, "gpus"), found, fix, other)


def _go(value: Any) -> str:
    """A value as a Go template prints it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


@_rule(
    "TFC160",
    "A checkpoint claim that is not used",
    "the job would train without checkpoints",
    "set checkpoint.enabled: true, or remove the claim",
)
def _checkpoint(job: Job) -> Iterator[Found]:
    checkpoint = job.data["checkpoint"]
    claim = checkpoint.get("existingClaim")
    if claim and not checkpoint.get("enabled"):
        fix = "set checkpoint.enabled: true, or remove the claim"
        yield Found(("checkpoint", "existingClaim"), f'"{claim}", but checkpoint.enabled is false', fix)


@_rule("TFC170", "A data volume with no source, or two", "Kubernetes needs exactly one", "give existingClaim or volume")
def _data_sources(job: Job) -> Iterator[Found]:
    for name, data in job.volumes.items():
        if data.get("existingClaim") and data.get("volume"):
            yield Found(("data", name), "both existingClaim and volume", "keep one of them", key=True)
        elif not (data.get("existingClaim") or data.get("volume")):
            fix = "name a claim, or give a Kubernetes volume source such as volume: {nfs: {server: …, path: …}}"
            yield Found(("data", name), "neither existingClaim nor volume", fix, key=True)


def _mounts(job: Job, role: str) -> Iterator[tuple[str, str, Path]]:
    """The mounts of a training container in the chart's order: (path, volume, the value that asks for it)."""
    yield "/tensorflow-job", "tensorflow-job", ()
    yield "/tensorflow-job-state", "state", ()
    if job.data["program"].get("existingConfigMap"):
        yield "/app", "program", ("program", "existingConfigMap")
    elif job.files:
        yield "/app", "program", ("program", "files")
    if job.data["checkpoint"].get("enabled"):
        yield job.data["checkpoint"]["mountPath"], "checkpoints", ("checkpoint", "mountPath")
    for name, data in sorted(job.volumes.items()):
        yield data["mountPath"], f"data-{name}", ("data", name, "mountPath")
    if setting(job.data, role, "shmSize"):
        yield "/dev/shm", "shm", ("shmSize",)
    for mount in setting(job.data, role, "extraVolumeMounts") or []:
        yield mount["mountPath"], mount["name"], ("extraVolumeMounts",)


def _placed(job: Job, role: str, path: Path) -> Path:
    """The path of a setting that a role may have of its own."""
    return (role, *path) if path and path[0] in (job.data.get(role) or {}) else path


@_rule("TFC171", "Two volumes at one path", "Kubernetes refuses the pod", "give one of them another path")
def _mount_paths(job: Job) -> Iterator[Found]:
    for role in job.roles:
        used: dict[str, str] = {}
        for raw, name, source in _mounts(job, role):
            path = raw.removesuffix("/")
            if path in used:
                found = f"{path} is used by two volumes, {used[path]} and {name}"
                yield Found(_placed(job, role, source), found, "give one of them another path", label="mountPath")
            used[path] = name


@_rule("TFC172", "Two volumes of one name", "Kubernetes refuses the pod", "give yours another name")
def _volume_names(job: Job) -> Iterator[Found]:
    for role in job.roles:
        seen = {name for _, name, source in _mounts(job, role) if source != ("extraVolumeMounts",)}
        for volume in setting(job.data, role, "extraVolumes") or []:
            if volume["name"] in seen:
                found = f"two volumes are called {volume['name']}"
                yield Found(
                    _placed(job, role, ("extraVolumes",)), found, "give yours another name", label="extraVolumes"
                )
            seen.add(volume["name"])


@_rule("TFC173", "A mount without its volume", "Kubernetes refuses the pod", "add the volume to extraVolumes")
def _mounts_without_volume(job: Job) -> Iterator[Found]:
    for role in job.roles:
        volumes = {name for _, name, source in _mounts(job, role) if source != ("extraVolumeMounts",)}
        volumes |= {volume["name"] for volume in setting(job.data, role, "extraVolumes") or []}
        for path, name, source in _mounts(job, role):
            if name not in volumes:
                found = f"{name} is mounted at {path.removesuffix('/')} but is no volume"
                yield Found(_placed(job, role, source), found, "add it to extraVolumes", label="extraVolumeMounts")


@_rule("TFC174", "A container called tensorflow", "it is the training container's name", "give yours another name")
def _container_names(job: Job) -> Iterator[Found]:
    for role in job.roles:
        for key in ("initContainers", "extraContainers"):
            if any(container["name"] == "tensorflow" for container in setting(job.data, role, key) or []):
                found = '"tensorflow" is the name of the training container'
                yield Found(_placed(job, role, (key,)), found, "give yours another name", label="extraContainers")


@_rule("TFC180", "A label of the chart's own", "the chart finds its pods by it", "remove it from podLabels")
def _labels(job: Job) -> Iterator[Found]:
    for where in ((), *((part,) for part in (*layout.ROLES, "lifecycle"))):
        values = job.data.get(where[0]) or {} if where else job.data
        for name in values.get("podLabels") or {}:
            if re.search(r"^(tensorflow-job/.*|app\.kubernetes\.io/(name|instance|component))$", name):
                found = f"{name} is set by the chart, which finds its pods by it"
                label = dotted((*where, "podLabels"))
                yield Found((*where, "podLabels", name), found, "remove it", key=True, label=label)


@_rule(
    "TFC190", "No service account", "the lifecycle needs one with its rights", "name one, or let the chart create it"
)
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
