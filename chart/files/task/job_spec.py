"""TF_CONFIG and all else that follows from job.json: tasks, addresses, the environment of each program. Pure.

The type of job.json itself is in contracts.py.

job.json holds replicas per role and never a list of tasks, so its size does not grow with the job. Python 3.6.
"""

import json
import re
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Tuple

from .names import pod_name

if TYPE_CHECKING:
    from .contracts import JobSpec

ROLES = ("chief", "worker", "ps", "evaluator")

# Linux refuses to exec a program with one environment string over 128 KiB (MAX_ARG_STRLEN), "TF_CONFIG=" and the
# closing NUL included.
MAX_TF_CONFIG_BYTES = 131072 - len("TF_CONFIG=") - 1

# Unless gRPC pings them, the peers of a node that vanishes wait until TCP gives up, about 15 minutes. A server that has
# nothing to send takes pings closer than 5 minutes for an attack, and closes the connection at the third: they must be
# further apart (docs/networking.md). The timeout also bounds how long data may go unacknowledged.
# Peers are never behind a proxy, and their short names match no usual no_proxy.
GRPC_OPTIONS = {
    "grpc.keepalive_time_ms": "310000",
    "grpc.keepalive_timeout_ms": "10000",
    "grpc.http2.max_pings_without_data": "0",
    "grpc.enable_http_proxy": "0",
}

LEAST_KEEPALIVE_MS = 300000  # what a server accepts of a client without data

# Variables that are the job's own: whatever env, envFrom or the image say.
IDENTITY = ("TF_CONFIG", "TASK_TYPE", "TASK_INDEX", "PS_HOSTS", "WORKER_HOSTS", "CHECKPOINT_DIR")

REFERENCE = re.compile(r"\$(\$|\([^)]*\)?)")  # or an escaped dollar sign, or one that is not closed, to the end: linear


class Task(NamedTuple):
    """One task in TensorFlow's sense: a role and an index within it."""

    role: str
    index: int  # type: ignore[assignment]  # hides tuple.index(), which nobody calls on a task


def tasks(job: "JobSpec") -> List[Task]:
    """Every task of the job, in the order chief, workers, parameter servers, evaluator."""
    return [Task(role, index) for role in ROLES for index in range(job["replicas"].get(role, 0))]


def name(task: Task) -> str:
    """How messages call a task: `worker-1`."""
    return "%s-%d" % task


def parse_name(text: str) -> Task:
    """The task that `name` wrote. Raises ValueError for other texts."""
    role, _, index = text.rpartition("-")
    return Task(role, int(index))


def address(job: "JobSpec", task: Task) -> str:
    """`host:port` at which the other tasks find this one's TensorFlow server.

    In a cluster `<pod>.<service>:<port>`: resolved by the first search domain of the pod's resolver, whatever the
    cluster's own domain is called. A local job lists its addresses.
    """
    if "addresses" in job:
        return job["addresses"][task.role][task.index]
    return "%s.%s:%d" % (pod_name(job["name"], task), job["service"], job["port"])


def addresses(job: "JobSpec", role: str) -> List[str]:
    """The addresses of all tasks of a role, in the order of their indexes."""
    return [address(job, Task(role, index)) for index in range(job["replicas"].get(role, 0))]


def tf_config(job: "JobSpec", task: Task) -> Dict[str, Any]:
    """What TF_CONFIG says to this task.

    An evaluator stands in its own TF_CONFIG only. Everyone else waits for every server in the cluster spec, and an
    evaluator has none; older TensorFlow refuses a task that its own cluster spec does not name.
    """
    roles = [role for role in ROLES if role != "evaluator" or task.role == "evaluator"]
    spec = {role: addresses(job, role) for role in roles if job["replicas"].get(role, 0)}
    return {"cluster": spec, "task": {"type": task.role, "index": task.index}}


def dumps(config: Mapping[str, Any]) -> str:
    """JSON in few bytes: TF_CONFIG has a size limit (MAX_TF_CONFIG_BYTES), and so have answers and messages."""
    return json.dumps(config, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def environment(job: "JobSpec", task: Task) -> Dict[str, str]:
    """Variables that a program or server finds set; those not in IDENTITY unless the user's environment sets them."""
    config = tf_config(job, task)
    variables = {
        "TF_CONFIG": dumps(config),
        "TASK_TYPE": task.role,
        "TASK_INDEX": str(task.index),
        "PS_HOSTS": ",".join(config["cluster"].get("ps", [])),
        "WORKER_HOSTS": ",".join(config["cluster"].get("worker", [])),
        # Wait for peers that are not up yet, but fail at once when one that was up is gone.
        "GRPC_FAIL_FAST": "use_caller",
        "TF_GRPC_DEFAULT_OPTIONS": grpc_options(GRPC_OPTIONS),
        # What a program prints is seen when it prints it, and not lost when it is killed.
        "PYTHONUNBUFFERED": "1",
    }
    if job["checkpointDir"]:
        variables["CHECKPOINT_DIR"] = job["checkpointDir"]
    if not job["gpus"].get(task.role, 0) and task.role not in job.get("devices", []):
        variables["CUDA_VISIBLE_DEVICES"] = "-1"
    return variables


def keepalive_ms(options: str) -> int:
    """How often a client with these options pings, as TensorFlow and gRPC read them; 0: never."""
    milliseconds = 0
    for option in options.split(","):
        name, _, value = option.partition("=")  # blanks around the name make it another one
        if name == "grpc.keepalive_time_ms" and re.match(r"\s*\+?[0-9]{1,18}\s*$", value):
            milliseconds = int(value)
    return milliseconds


def grpc_options(options: Mapping[str, str]) -> str:
    """Options of gRPC channels in the form of TF_GRPC_DEFAULT_OPTIONS."""
    return ",".join("%s=%s" % option for option in options.items())


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace $(NAME) by the variable's value as Kubernetes does in `command` and `args`.

    A name that is not set stays as it is, and $$ is a dollar sign:
    https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """

    def value(match: Any) -> str:
        whole, reference = match.group(0), match.group(1)  # type: str, str
        if reference[-1] != ")":  # "$", or not closed: nothing but dollar signs after it
            return whole.replace("$$", "$")
        return environ.get(reference[1:-1], whole)

    return REFERENCE.sub(value, text)


def command_line(job: "JobSpec", role: str) -> List[str]:
    """The user's command line for this role, its own or that of all roles."""
    own = job.get("programs", {}).get(role) or job["program"]
    return list(own["command"]) + list(own["args"])


def program(job: "JobSpec", role: str, environ: Mapping[str, str]) -> List[str]:
    """The user's command line for this role with every $(NAME) replaced."""
    return [expand(word, environ) for word in command_line(job, role)]


def runs_server(job: "JobSpec", role: str) -> bool:
    """Whether tasks of this role run the built-in TensorFlow server instead of the user's program."""
    return role in job["servers"]


def may_report(job: "JobSpec", task: Task) -> bool:
    """Whether the progress of this task may be that of the job: it is one of those that decide success."""
    policy = job["completion"]["successPolicy"]
    if policy == "AllWorkers":
        return task.role in ("chief", "worker")
    return task == (Task("chief", 0) if policy == "Chief" else Task("worker", 0))


def allowed_failures(job: "JobSpec") -> int:
    """How many failures the job goes on after."""
    restart = job["restart"]
    return 0 if restart["policy"] == "Never" and not restart.get("alwaysRoles") else restart["backoffLimit"]


def always_restarts(job: "JobSpec", role: str) -> bool:
    """Whether programs of this role are run again however they end, as with TFJob's policy Always."""
    return role in job["restart"].get("alwaysRoles", ())


def may_restart(job: "JobSpec", role: str, code: int) -> bool:
    """Whether a program of this role runs again that ended with this exit status.

    ExitCode follows TFJob 1.8: 128 and more (killed by a signal) is worth another try, an error of the program is not.
    `retryableExitCodes` replaces that rule.
    """
    restart = job["restart"]
    if always_restarts(job, role):
        return True
    if code == 0:
        return False
    if code in restart["uncountedExitCodes"] or restart["policy"] == "OnFailure":
        return True
    if restart["policy"] == "Never":
        return False
    retryable = restart["retryableExitCodes"]
    return code >= 128 if retryable is None else code in retryable


def may_keep(job: "JobSpec") -> bool:
    """Whether `cleanup` leaves pods where they are after one of the outcomes."""
    return any(rule != "Delete" for rule in job["cleanup"].values())


def awaited(job: "JobSpec", task: Task) -> Tuple[List[Task], List[Task]]:
    """The peers a program waits for before it starts: (servers that must accept, tasks whose name must resolve).

    Built-in servers start by themselves, so their ports can be waited for. Programs that serve (workers of
    MultiWorkerMirrored, say) open their port only after they started: TensorFlow waits for those, and here only
    the task that leads is looked up, which keeps the name queries of a large job in proportion to its size.
    An evaluator reads checkpoints only.
    """
    if task.role == "evaluator":
        return [], []
    leader = Task("chief" if job["replicas"].get("chief", 0) else "worker", 0)
    servers = [peer for peer in tasks(job) if runs_server(job, peer.role)]
    known = leader in tasks(job) and leader != task and leader not in servers
    return servers, [leader] if known else []
