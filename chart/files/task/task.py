"""One task of the job, in a pod or as a local process: decide whether it runs, run it, report how it ended. Python 3.6.

A StatefulSet restarts whatever exits. So a task that is done leaves a marker, done.json, and the next container of the
pod finds it and parks until the lifecycle deletes the pod. The marker is lost with the pod; a new pod learns the same
from status.json.
"""

import contextlib
import errno
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, NoReturn, Optional

from . import checkpoints, files, last_output, messages, process, progress, usage
from .connections import Connections
from .job_spec import Task, command_line, dumps, may_keep, may_report, may_restart, name, program, runs_server
from .log import log
from .output import Output, output
from .ranges import parse_ranges

# What only the process needs that becomes the program is imported there: this one stays small.
if TYPE_CHECKING:
    from .contracts import DoneMarker, JobSpec, StatusDocument

TERMINATION_LOG = "/dev/termination-log"
DONE = "done.json"  # in the folder of the pod: that the task is done
TERMINATED = 143  # the exit status of what SIGTERM ended

KILL_MARGIN_SECONDS = 2.0  # between our SIGKILL and the kubelet's, for the termination message
END_AGAIN_SECONDS = 180.0  # for the lifecycle to see an end, and for the kubelet to bring the status that knows it
POLL_SECONDS = 1.0  # of job.json and status.json, while another run has to end first


class Pod(NamedTuple):
    """What this process was given: its task and run, folders, and in a local job its parent process."""

    task: Task
    run_id: str
    grace: float  # seconds from SIGTERM to the kubelet's SIGKILL
    config: str  # the folder of job.json and status.json
    state: str  # a folder that lives as long as the pod
    message: str  # the file of the termination message
    progress_port: int  # 0: progress is not served
    parent: Optional[int]  # the process that this one must not outlive
    cpus: Optional[float]  # its share of the machine; None in a container, which has its own limit


def main(arguments: List[str]) -> int:
    """`run --role=R --run-id=ID --grace=SECONDS --config=FOLDER --state=FOLDER`; exits as the program does.

    `--progress=PORT` serves the program's progress. Where there is no pod, `--index` stands in for the ordinal in the
    host name, `--parent` is the process that this one must not outlive, `--message` the file of the termination
    message, and `--cpus` the number of CPUs to count on.
    """
    process.catch_signals()
    pod = _pod(arguments)
    done = _marker(pod)
    if done:
        return _park(pod, done)
    job = _await_turn(pod)
    if job is None:
        return TERMINATED
    done = _outcome(_status(pod), pod)
    if done:
        return _park(pod, done)
    if runs_server(job, pod.task.role):
        return _serve(job, pod)
    return _succeed(pod) if _is_marked(job, pod) else _train(job, pod)


def _pod(arguments: List[str]) -> Pod:
    options = dict(argument[2:].split("=", 1) for argument in arguments)
    index = options["index"] if "index" in options else os.uname().nodename.rpartition("-")[2]
    return Pod(
        task=Task(options["role"], int(index)),
        run_id=options["run-id"],
        grace=float(options["grace"]),
        config=options["config"],
        state=options["state"],
        message=options.get("message", TERMINATION_LOG),
        progress_port=int(options.get("progress", 0)),
        parent=int(options["parent"]) if "parent" in options else None,
        cpus=float(options["cpus"]) if "cpus" in options else None,
    )


def _await_turn(pod: Pod) -> "Optional[JobSpec]":
    """job.json, once this run may start its tasks; None when asked to end before that."""
    logged = ""
    while True:
        job = _job(pod)
        reason = "run %s is gone" % job["runId"] if job["runId"] != pod.run_id else _why_wait(pod)
        if not reason:
            return job
        if logged != reason:
            logged = reason
            log("%s of run %s waits until %s" % (name(pod.task), pod.run_id, reason))
        if process.pause(POLL_SECONDS, pod.parent):
            return None


def _train(job: "JobSpec", pod: Pod) -> int:
    progress_file = os.path.join(pod.state, progress.FILE)
    progress.forget(pod.state)
    connections = Connections(job["port"])
    used = usage.of(job, pod.task, pod.state, pod.parent is None)
    server = _progress_server(pod, used, connections.look)

    def prepare() -> process.Prepared:
        from . import importable, peers  # in the process that becomes the program

        environ = _environment(job, pod, {progress.VARIABLE: progress_file})
        importable.add(environ, pod.state)
        written = command_line(job, pod.task.role)
        if job["checkpointDir"]:
            _make_checkpoint_folder(job["checkpointDir"])
            with contextlib.suppress(OSError):
                checkpoints.note(job, pod.state)
        peers.wait(job, pod.task)
        log("%s runs %s" % (name(pod.task), " ".join(written)))  # as written: a value may be a secret
        return process.Prepared(program(job, pod.task.role, environ), environ, written[0])

    # A parameter server has nothing to save, and a grace once given cannot be shortened.
    grace = 0 if pod.task.role == "ps" else max(pod.grace - KILL_MARGIN_SECONDS, pod.grace / 2)
    started = time.monotonic()
    ended = process.run(prepare, grace, pod.parent, server, _output(job, pod, may_report(job, pod.task)), used)
    last = used.line()
    soon = time.monotonic() - started < messages.SOON_SECONDS
    _clear_claims(pod)
    if ended.code != 0 and not ended.stopped and soon and _has_worked(job, pod, progress_file):
        # Otherwise the lifecycle would take it for a program that never comes further. No message: Kubernetes makes the
        # end of the log the message, with the reason of the failure.
        log("%s exited %d; %s" % (name(pod.task), ended.code, messages.WORKED))
        if pod.parent is not None:  # nobody does so here
            _write_message(pod, messages.WORKED)
    if ended.stopped:
        # Exit 0 after SIGTERM may be a program that saved its state: it is not known to be done, so it is run again.
        _write_message(pod, "%s asked to end; %s exited %d" % (messages.STOPPED, name(pod.task), ended.code) + last)
    elif not may_restart(job, pod.task.role, ended.code):
        if ended.code == 0:
            report = dict(progress.latest(pod.state) or {}, **_finish(job, pod))
            report.update(connections.report(job, pod.task))
            if report or last:
                _write_message(pod, ("%s %s" % (messages.REACHED, dumps(report)) if report else "") + last)
        _write_marker(pod, {"code": ended.code, "why": "its program exited %d" % ended.code})
    return ended.code


def _succeed(pod: Pod) -> int:
    """The program exited 0 in a pod that went before the lifecycle knew: exit 0 in its stead."""
    log("%s is done: its program exited 0 in an earlier pod, by the marker on the checkpoint volume" % name(pod.task))
    _write_marker(pod, {"code": 0, "why": "its program exited 0 in an earlier pod"})
    return 0


def _finish(job: "JobSpec", pod: Pod) -> Dict[str, Any]:
    """Keep on the checkpoint volume that this task is done, unless that takes too long; and whether it is empty."""
    if not job["checkpointDir"]:
        return {}
    incarnation = _incarnation(job, pod)
    if incarnation:
        checkpoints.ask(lambda: checkpoints.mark(job, incarnation, pod.task))
    answer = checkpoints.ask(lambda: {"empty": checkpoints.is_empty(job)})
    return {"checkpointEmpty": True} if answer.get("empty") else {}


def _is_marked(job: "JobSpec", pod: Pod) -> bool:
    incarnation = _incarnation(job, pod)
    if not incarnation:
        return False
    return bool(checkpoints.ask(lambda: {"done": checkpoints.is_marked(job, incarnation, pod.task)}).get("done"))


def _incarnation(job: "JobSpec", pod: Pod) -> str:
    """Of this run; "" where it is not known yet, or markers have no place."""
    status = _status(pod)
    if not job["checkpointDir"] or "addresses" in job:  # on one machine no end is missed
        return ""
    if not status or status["runId"] != pod.run_id:
        return ""
    return status.get("incarnation", "")


def _has_worked(job: "JobSpec", pod: Pod, progress_file: str) -> bool:
    """Whether the program reported progress, or wrote into the checkpoint folder."""
    if os.path.exists(progress_file):
        return True
    if not job["checkpointDir"]:
        return False
    if not os.path.exists(os.path.join(pod.state, checkpoints.BEFORE)):
        return False
    return bool(checkpoints.ask(lambda: {"changed": checkpoints.is_changed(job, pod.state)}).get("changed", True))


def _serve(job: "JobSpec", pod: Pod) -> int:
    """The built-in server. It has nothing to save, so it is killed at once: a grace once given cannot be shortened."""
    ready = os.path.join(pod.state, "ready")
    if os.path.exists(ready):
        os.remove(ready)
    argv = [sys.executable, os.path.dirname(os.path.abspath(__file__)), "serve", ready, *job["serverImports"]]

    def prepare() -> process.Prepared:
        # Otherwise each start of a chief prints the options of every server, 20 lines each, between the user's own.
        environ = dict({"TF_CPP_MIN_LOG_LEVEL": "1"}, **_environment(job, pod, {}))
        return process.Prepared(argv, environ, argv[0])

    used = usage.of(job, pod.task, pod.state, pod.parent is None)
    server = _progress_server(pod, used, lambda: None)
    ended = process.run(prepare, 0, pod.parent, server, _output(job, pod, False), used)
    last = used.line()
    _clear_claims(pod)
    if ended.stopped:
        _write_message(pod, messages.STOPPED + " asked to end" + last)
        return TERMINATED
    if os.path.exists(ready):
        _write_message(pod, "%s the server was ready and ended with status %d" % (messages.SERVED, ended.code) + last)
    else:
        log("the TensorFlow server of %s could not start (status %d), see above" % (name(pod.task), ended.code))
    return ended.code


def _park(pod: Pod, done: "DoneMarker") -> int:
    """Hold the pod without running anything, and exit with the status and message of the task's own end."""
    log("%s is done: %s. Nothing runs here; waiting to be freed" % (name(pod.task), done["why"]))
    last_output.show(pod.state)
    while not process.pause(END_AGAIN_SECONDS, pod.parent):
        if _is_unknown(pod):  # its end was seen by nobody, and Kubernetes has forgotten it: it ends once more
            log("the status does not show that %s is done; ending once more" % name(pod.task))
            break
    _write_message(pod, "%s is done: %s" % (name(pod.task), done["why"]))
    return done["code"]


def _environment(job: "JobSpec", pod: Pod, own: Dict[str, str]) -> Dict[str, str]:
    from . import environ, home, references, threads  # in the process that becomes the program

    given = threads.variables(threads.cpu_limit() if pod.cpus is None else pod.cpus)
    given.update(os.environ)
    if environ.is_coerced():
        given.pop("LC_CTYPE", None)
    if pod.parent is None:  # a local task is of the user's own session
        absent = home.variables(pod.state, given)
        replaced = home.replaced(given, absent)
        if replaced:
            log("%s: %s" % (name(pod.task), replaced))
        given.update(absent)
    texts = job.get("env", {}).get(pod.task.role)
    if texts:  # TF_CONFIG is made once more for them, and may be long
        variables, _ = environ.merge(job, pod.task, given, own)
        environ.name_user(variables)
        given.update(references.resolve(texts, variables))
    variables, refused = environ.merge(job, pod.task, given, own)
    if refused:
        log(
            "%s: the job sets %s; what env, envFrom, the image or a webhook set is not used"
            % (name(pod.task), ", ".join(refused))
        )
    pings = environ.pings_too_often(job, variables)
    if pings:
        log("%s: %s" % (name(pod.task), pings))
    environ.name_user(variables)
    return variables


def _output(job: "JobSpec", pod: Pod, reports: bool) -> Optional[Output]:
    sources = job.get("progress", {}).get("sources") if reports else None
    keeps = may_keep(job) and pod.parent is None  # a local job prints to the user's terminal
    if not sources and not keeps and not (job["logs"] and job["checkpointDir"]):
        return None
    last_output.forget(pod.state)
    return output(job, pod.task, pod.state, sources or [], keeps)


def _progress_server(pod: Pod, used: usage.Usage, asked: Callable[[], None]) -> Optional[progress.ProgressServer]:
    if not pod.progress_port:
        return None
    try:
        return progress.ProgressServer(pod.state, name(pod.task), pod.run_id, pod.progress_port, asked, used.document)
    except OSError as error:
        log(
            "the job's status will not show the progress and usage of %s: port %d: %s. Another container of the pod "
            "may use it" % (name(pod.task), pod.progress_port, error.strerror)
        )
        return None


def _make_checkpoint_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        _give_up(why_no_folder(folder, error))


def why_no_folder(folder: str, error: OSError) -> str:
    """Why the checkpoint folder cannot be made, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = (
            "Delete what is not needed on the checkpoint volume, or raise checkpoint.size where the storage class can "
            "expand"
        )
    else:
        advice = (
            "The volume must be writable for user %d (podSecurityContext.fsGroup); with checkpoint.enabled=false the "
            "job runs without one" % os.getuid()
        )
    return "cannot make the checkpoint folder %s: %s. %s" % (folder, error.strerror, advice)


def _give_up(text: str) -> NoReturn:
    log(text)
    os._exit(1)


def _job(pod: Pod) -> "JobSpec":
    with open(os.path.join(pod.config, "job.json")) as file:
        return json.load(file)  # type: ignore[no-any-return]


def _status(pod: Pod) -> "Optional[StatusDocument]":
    """status.json as the lifecycle wrote it; None while there is none."""
    try:
        with open(os.path.join(pod.config, "status.json")) as file:
            return json.loads(file.read() or "null")  # type: ignore[no-any-return]
    except FileNotFoundError:
        return None


def _why_wait(pod: Pod) -> str:
    """What has to happen before a task of this run may start, by the status; "" when it may."""
    status = _status(pod)
    if status and status["runId"] != pod.run_id:
        return "" if status["freed"] else "run %s is gone" % status["runId"]
    if status and status["phase"] == "Suspended":  # the set made this pod; nobody would end what it trains
        return "the lifecycle has resumed the job"
    return ""


def _outcome(status: "Optional[StatusDocument]", pod: Pod) -> "Optional[DoneMarker]":
    """What status.json knows of the end of this task or of its whole run; None while both go on.

    It may still be that of an earlier run that is over and freed, before the lifecycle has started this one.
    """
    if not status or status["runId"] != pod.run_id:
        return None
    if pod.task.index in parse_ranges(status.get("succeeded", {}).get(pod.task.role, "")):
        return {"code": 0, "why": "its program exited 0 in an earlier pod"}
    if status["phase"] in ("Succeeded", "Failed"):
        return {"code": 0, "why": "the job has %s" % status["phase"].lower()}
    return None


def _is_unknown(pod: Pod) -> bool:
    """Whether the run goes on, and its status does not know that this task is done."""
    status = _status(pod)
    if not status or status["runId"] != pod.run_id or status["phase"] == "Suspended":
        return False
    return _outcome(status, pod) is None


def _write_marker(pod: Pod, done: "DoneMarker") -> None:
    files.write(os.path.join(pod.state, DONE), json.dumps(done))


def _marker(pod: Pod) -> "Optional[DoneMarker]":
    try:
        done = json.loads(files.read(os.path.join(pod.state, DONE), 4096)[0].decode())
        return {"code": int(done["code"]), "why": str(done["why"])}
    except (OSError, ValueError, TypeError, LookupError, RecursionError):  # the program may write there, too
        return None


def _clear_claims(pod: Pod) -> None:
    """Remove what only this process may say; any other message of the program stays."""
    with contextlib.suppress(OSError), open(pod.message, "r+b") as file:
        if file.read(16).decode("latin-1").startswith(messages.CLAIMS):
            file.truncate(0)


def _write_message(pod: Pod, text: str) -> None:
    try:
        with open(pod.message, "w", encoding="utf-8") as file:
            file.write(text.lstrip() + "\n")
    except OSError as error:  # the exit status still says the essential
        log("cannot write %s: %s" % (pod.message, error.strerror))
