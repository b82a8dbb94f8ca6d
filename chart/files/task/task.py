"""One task of the job, in a pod or as a local process: decide whether it runs at all, run it, say how it ended.

A StatefulSet restarts whatever exits. So a task that ended for good leaves a marker, and the container that comes after
it parks until the lifecycle frees the pod. The marker is lost with the pod; status.json tells a new pod the same.
Python 3.6.
"""

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NoReturn, Optional, Tuple

from . import job_spec, process, progress
from .job_spec import JobSpec, Task

# The others are imported where they are used: this process stays small while the program runs.
if TYPE_CHECKING:
    from . import kept_log

MESSAGE = "/dev/termination-log"

# Time left between our SIGKILL and the kubelet's, for the termination message.
KILL_MARGIN = 2.0
GATE_SECONDS = 1.0


def main(arguments: List[str]) -> int:
    """`run --role=R --run-id=ID --grace=SECONDS --config=FOLDER --state=FOLDER`; exits as the program does.

    `--progress` is the port at which the program's progress is told. Where there is no pod, `--index` stands in for the
    ordinal in the host name, `--parent` is the process that this one must not outlive, and `--message` the file of the
    termination message.
    """
    process.catch_signals()
    options = dict(argument[2:].split("=", 1) for argument in arguments)
    role, config, state = options["role"], options["config"], options["state"]
    index = int(options["index"] if "index" in options else os.uname().nodename.rpartition("-")[2])
    task = Task(role, index)
    parent = int(options["parent"]) if "parent" in options else None
    message = options.get("message", MESSAGE)
    for name in ("HOME", "TMPDIR"):  # the chart points them into the pod's own scratch volume
        if os.environ.get(name, "").startswith(state):
            os.makedirs(os.environ[name], exist_ok=True)

    done = _marker(state)
    if done:
        return _park(task, done, message, parent)
    job = _job(config)
    told = ""
    while job["runId"] != options["run-id"] or _other_run(config, options["run-id"]):
        other = job["runId"] if job["runId"] != options["run-id"] else _other_run(config, options["run-id"])
        if told != other:
            told = other
            _say("%s of run %s waits until run %s is gone" % (job_spec.name(task), options["run-id"], other))
        if process.pause(GATE_SECONDS, parent):
            return 143
        job = _job(config)
    done = _outcome(_status(config), options["run-id"], task)
    if done:
        return _park(task, done, message, parent)
    if job_spec.runs_server(job, role):
        return _serve(job, task, state, message, parent)
    port = int(options.get("progress", 0))
    return _train(job, task, state, message, parent, float(options["grace"]), port)


def _train(job: JobSpec, task: Task, state: str, message: str, parent: Optional[int], grace: float, port: int) -> int:
    told = os.path.join(state, progress.FILE)
    if os.path.exists(told):  # of the container before
        os.remove(told)
    told = os.environ.setdefault(progress.VARIABLE, told)
    teller = _teller(told, task, job["runId"], port) if port else None

    def prepare() -> Tuple[List[str], Dict[str, str]]:
        from . import peers  # in the process that becomes the program

        environ = _environment(job, task)
        argv = job_spec.program(job, environ)
        if job["checkpointDir"]:
            _make_checkpoint_folder(job["checkpointDir"])
        peers.wait(job, task)
        _say("%s runs %s" % (job_spec.name(task), " ".join(argv)))
        return argv, environ

    # A parameter server has nothing to save, and a grace once given cannot be shortened.
    seconds = 0 if task.role == "ps" else max(grace - KILL_MARGIN, grace / 2)
    ended = process.run(prepare, seconds, parent, teller, _output(job, task))
    if ended.stopped:
        # Exit 0 after SIGTERM may be a program that saved its state: it is not known to be done, so it is run again.
        _write(message, "%s asked to end; %s exited %d" % (job_spec.STOPPED, job_spec.name(task), ended.code))
    elif not job_spec.may_restart(job, ended.code):
        said = progress.read(told) if ended.code == 0 else None
        if said:
            _write(message, "%s %s" % (job_spec.REACHED, job_spec.dumps(said)))
        with open(os.path.join(state, "done.json"), "w") as marker:
            json.dump({"code": ended.code, "why": "its program exited %d" % ended.code}, marker)
    return ended.code


def _serve(job: JobSpec, task: Task, state: str, message: str, parent: Optional[int]) -> int:
    """The built-in server. It has nothing to save, so it is killed at once: a grace once given cannot be shortened."""
    ready = os.path.join(state, "ready")
    if os.path.exists(ready):
        os.remove(ready)
    here = os.path.dirname(os.path.abspath(__file__))
    argv = [sys.executable, here, "serve", ready, *job["serverImports"]]
    ended = process.run(lambda: (argv, _environment(job, task)), 0, parent, None, _output(job, task))
    if ended.stopped:
        _write(message, job_spec.STOPPED + " asked to end")
        return 143
    if os.path.exists(ready):
        _write(message, "%s the server was ready and ended with status %d" % (job_spec.SERVED, ended.code))
    else:
        _say("the TensorFlow server of %s could not start (status %d), see above" % (job_spec.name(task), ended.code))
    return ended.code


def _park(task: Task, done: Mapping[str, Any], message: str, parent: Optional[int]) -> int:
    """Hold the pod without running anything, and leave with the status and words of the task's own end."""
    _say("%s is done: %s. Nothing runs here; waiting to be freed" % (job_spec.name(task), done["why"]))
    process.pause(None, parent)
    _write(message, "%s is done: %s" % (job_spec.name(task), done["why"]))
    return int(done["code"])


def _environment(job: JobSpec, task: Task) -> Dict[str, str]:
    environ = job_spec.environment(job, task)
    environ.update(os.environ)
    return environ


def _output(job: JobSpec, task: Task) -> "Optional[kept_log.Output]":
    wanted = job.get("logs")  # absent in what an older chart wrote
    if not wanted or not job["checkpointDir"]:
        return None
    from . import kept_log

    path = os.path.join(job["checkpointDir"], "logs", job["runId"], job_spec.name(task) + ".log")
    return kept_log.Output(path, wanted["maxBytes"], wanted["files"])


def _teller(path: str, task: Task, run: str, port: int) -> Optional[progress.Teller]:
    try:
        return progress.Teller(path, job_spec.name(task), run, port)
    except OSError as error:
        _say(
            "the job's status will not tell the progress of %s: port %d: %s. Another container of the pod may use it"
            % (job_spec.name(task), port, error.strerror)
        )
        return None


def _make_checkpoint_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        _give_up(
            "cannot make the checkpoint folder %s: %s. The volume must be writable for user %d (podSecurityContext."
            "fsGroup); with checkpoint.enabled=false the job runs without one" % (folder, error.strerror, os.getuid())
        )


def _give_up(text: str) -> NoReturn:
    _say(text)
    os._exit(1)


def _job(config: str) -> JobSpec:
    with open(os.path.join(config, "job.json")) as file:
        return json.load(file)  # type: ignore[no-any-return]


def _status(config: str) -> Mapping[str, Any]:
    """status.json as the lifecycle wrote it (status.py); empty while there is none."""
    try:
        with open(os.path.join(config, "status.json")) as file:
            return json.loads(file.read() or "{}")  # type: ignore[no-any-return]
    except FileNotFoundError:
        return {}


def _other_run(config: str, run: str) -> str:
    """The run that still has to be freed before tasks of `run` may start; "" if there is none."""
    status = _status(config)
    return str(status["runId"]) if status and status["runId"] != run and not status["freed"] else ""


def _outcome(status: Mapping[str, Any], run: str, task: Task) -> Optional[Mapping[str, Any]]:
    """What status.json knows of the end of this task or of its whole run; None while both go on.

    It may still tell of an earlier run that is over and freed, before the lifecycle has taken this one over.
    """
    if status.get("runId") != run:
        return None
    if task.index in job_spec.parse_ranges(status.get("succeeded", {}).get(task.role, "")):
        return {"code": 0, "why": "its program exited 0 in an earlier pod"}
    if status.get("phase") in ("Succeeded", "Failed"):
        return {"code": 0, "why": "the job has %s" % status["phase"].lower()}
    return None


def _marker(state: str) -> Optional[Mapping[str, Any]]:
    try:
        with open(os.path.join(state, "done.json")) as file:
            return json.load(file)  # type: ignore[no-any-return]
    except FileNotFoundError:
        return None


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text + "\n")
    except OSError as error:  # the exit status still tells the essence
        _say("cannot write %s: %s" % (path, error.strerror))


def _say(text: str) -> None:
    print("tensorflow-job: " + text, file=sys.stderr, flush=True)
