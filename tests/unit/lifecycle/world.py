"""A small cluster to run the state machine in: StatefulSets, kubelets, programs and the controller itself.

Everything that happens is asked for by the test: nothing here is random, and no time passes by itself. What Kubernetes
does behind the controller's back (facts from kubernetes/pkg/controller/statefulset and pkg/kubelet) is kept:

- A set makes and deletes pods by the template and size that its controller has *seen*, which may be older than those
  asked for; a pod gets the run of that template and a new uid each time it is made.
- A container that ended starts again, unless its pod is deleted or evicted. Only the last two exits of a pod are
  shown, and only one while it waits in back-off.
- A deleted pod stays until its container has ended, and on a node that does not answer for ever.
- The first container of a pod starts the program; `task` then parks once the task is done for good (a marker that
  the pod keeps, or status.json), and waits while status.json names another run that is not freed.

`World.failures`, `excused` and `successes` hold what really happened, whether anybody saw it or not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from tfconfig.tensorflow_job.lifecycle.state import (
    Action,
    Container,
    Delete,
    Exit,
    Observation,
    Pod,
    PodStatus,
    Progress,
    ProgressSample,
    Scale,
    Set,
)
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.job_spec import Task, may_restart, runs_server
from tfconfig.tensorflow_job.task.messages import SERVED, STOPPED
from tfconfig.tensorflow_job.task.ranges import parse_ranges

START = 1_700_000_000.0
GRACE = 30.0
NODES = 3


STATUSES: dict[str, PodStatus] = {"waiting": "Waiting", "running": "Running", "ended": "Terminated"}


@dataclass
class SimulatedSet:
    """A StatefulSet: what is asked for, and what its controller has seen of that."""

    role: str
    run_id: str
    replicas: int = 1  # a StatefulSet without spec.replicas starts at 1
    generation: int = 1
    seen_generation: int = 0
    seen_run: str = ""
    seen_replicas: int = 0

    def ask(self, replicas: int | None = None, run_id: str | None = None) -> None:
        """Change the specification."""
        wanted = self.replicas if replicas is None else replicas, self.run_id if run_id is None else run_id
        if wanted != (self.replicas, self.run_id):
            self.replicas, self.run_id = wanted
            self.generation += 1

    def look(self) -> None:
        """Its controller sees the specification."""
        self.seen_generation, self.seen_run, self.seen_replicas = self.generation, self.run_id, self.replicas


@dataclass
class SimulatedPod:
    """A pod, its one container, and the `task` in it."""

    task: Task
    uid: str
    run_id: str
    created: float
    node: int
    state: str = "waiting"  # waiting | running | ended
    doing: str = ""  # program | parked | gate, while it is running
    ready: bool = False  # of a built-in server
    started: int = 0
    exits: list[Exit] = field(default_factory=list)
    marker: int | None = None  # exit status that `task` keeps in the emptyDir
    told_to_park: bool = False  # by status.json alone: the pod itself shows nothing of it
    backoff: float = 0.0
    cannot_start: str = ""
    deleted: float | None = None
    disrupted: str = ""
    step: int = 0  # that the program reported
    stepped: float = 0.0  # when it did
    unknown: Exit | None = None  # written by the kubelet for a container that it could not find when it evicted

    @property
    def works(self) -> bool:
        """Whether the user's program, or the server in its place, runs."""
        return self.state == "running" and self.doing == "program"

    def shown(self) -> Pod:
        """The pod as pod_status.py reads it off Kubernetes."""
        ended = self.exits[-1] if self.exits else None
        before = self.exits[-2] if len(self.exits) > 1 else None
        last, current = (ended, None) if self.state == "running" else (before, ended)
        if self.state == "waiting":
            last = None
        if self.unknown:
            last, current = ended, self.unknown
        reason = self.cannot_start or ("CrashLoopBackOff" if self.backoff else "")
        return Pod(
            task=self.task,
            uid=self.uid,
            run_id=self.run_id,
            created=self.created,
            status=STATUSES[self.state],
            reason=reason if self.state == "waiting" else "",
            restarts=max(0, self.started - 1),
            last=last,
            current=current,
            backoff=self.backoff if self.state == "waiting" else 0.0,
            deleted=self.deleted,
            disrupted=self.disrupted,
            node=f"node-{self.node}",
        )


@dataclass(frozen=True)
class Failure:
    """A program that failed by itself, or a server that could not get ready."""

    run_id: str
    task: Task
    uid: str
    when: float


class World:
    """The cluster. `jobs` maps each run to its job.json."""

    def __init__(self, jobs: dict[str, JobSpec], run: str) -> None:
        self.jobs, self.run_id, self.suspend = jobs, run, False
        self.now = START
        self.sets = {role: SimulatedSet(role, run) for role in jobs[run]["replicas"]}
        self.pods: dict[Task, SimulatedPod] = {}
        self.down: set[int] = set()
        self.stored = ""
        self.failures: list[Failure] = []
        self.successes: set[tuple[str, Task]] = set()
        self.excused: list[tuple[str, str, int]] = []  # run, uid and number of exits that say they are no failure
        self.known: set[tuple[str, int]] = set()  # uid and number of exits that were seen when a state was stored
        self.mixed = ""  # tasks of two runs that ran at once
        self._made = 0

    # --- what users and Helm do ---

    def upgrade(self, run: str) -> None:
        """Ask for another run. Sets of roles that it does not have are deleted, and their pods with them."""
        self.run_id = run
        roles = self.jobs[run]["replicas"]
        self.sets = {role: self.sets.get(role) or SimulatedSet(role, run) for role in roles}
        for set_ in self.sets.values():
            set_.ask(run_id=run)
        for pod in self.pods.values():
            if pod.task.role not in roles:
                self.delete(pod)

    def set_suspend(self, suspend: bool) -> None:
        """`replicas: 0` is rendered; left out again, it becomes 1."""
        self.suspend = suspend
        for set_ in self.sets.values():
            set_.ask(replicas=0 if suspend else 1)

    # --- the controllers of the sets ---

    def sync(self, role: str, fresh: bool = True) -> None:
        """One round for one set; not `fresh`: by what its controller saw before."""
        set_ = self.sets[role]
        if fresh:
            set_.look()
        for task in [task for task in self.pods if task.role == role]:
            pod = self.pods[task]
            if pod.disrupted and pod.state == "ended" and pod.node not in self.down:
                del self.pods[task]
            elif task.index >= set_.seen_replicas:
                self.delete(pod)
        for index in range(set_.seen_replicas):
            if Task(role, index) not in self.pods:
                self._made += 1
                task = Task(role, index)
                node = self._made % NODES
                self.pods[task] = SimulatedPod(task, f"uid-{self._made}", set_.seen_run, self.now, node)

    # --- the kubelets and what runs there ---

    def start(self, pod: SimulatedPod) -> None:
        """Start the container, for the first time or again."""
        if pod.state != "running" and not self._silent(pod) and pod.deleted is None and not pod.disrupted:
            if pod.cannot_start:
                return
            pod.state, pod.backoff, pod.ready, pod.step = "running", 0.0, False, 0
            pod.started += 1
            pod.doing = "parked" if pod.marker is not None else "gate"
            self.pass_gate(pod)

    def pass_gate(self, pod: SimulatedPod) -> None:
        """What `task` does while it waits for its turn."""
        if pod.state != "running" or pod.doing != "gate":
            return
        status = json.loads(self.stored.partition("\n")[0] or "{}")
        if pod.run_id != self.run_id or (status and status["runId"] != pod.run_id and not status["freed"]):
            return
        mine = status if status.get("runId") == pod.run_id else {}
        done = pod.task.index in parse_ranges(mine.get("succeeded", {}).get(pod.task.role, ""))
        if done or mine.get("phase") in ("Succeeded", "Failed"):
            pod.doing, pod.marker, pod.told_to_park = "parked", 0, True
            return
        pod.doing = "program"
        for other in self.pods.values():
            # Before the controller of either run has stored anything, nobody can tell them apart.
            if other.works and other.run_id != pod.run_id and status.get("runId") in (pod.run_id, other.run_id):
                self.mixed = f"{pod.task} of run {pod.run_id} started beside {other.task} of run {other.run_id}"

    def exit(self, pod: SimulatedPod, code: int, whole: bool = False) -> None:
        """The program ends by itself; `whole`: the kernel kills everything in the container, `task` too."""
        if not pod.works or self._silent(pod):
            return
        job = self.jobs[pod.run_id]
        if runs_server(job, pod.task.role):
            message = f"{SERVED} the server was ready" if pod.ready and not whole else "last lines of the log"
            failed = not message.startswith(SERVED)
        else:
            message = ""
            failed = code != 0 and code not in job["restart"]["uncountedExitCodes"]
            if code == 0:
                self.successes.add((pod.run_id, pod.task))
            if not whole and not may_restart(job, pod.task.role, code):
                pod.marker = code
        if failed:
            self.failures.append(Failure(pod.run_id, pod.task, pod.uid, self.now))
        elif code != 0 or runs_server(job, pod.task.role):
            self.excused.append((pod.run_id, pod.uid, len(pod.exits)))
        self._end(pod, code, message)

    def work(self, pod: SimulatedPod, steps: int) -> None:
        """The program goes on and tells it, or only tells the step that it is at again."""
        if pod.works:
            pod.stepped = self.now if steps or not pod.step else pod.stepped
            pod.step = max(1, pod.step + steps)

    def interrupt(self, pod: SimulatedPod, code: int) -> None:
        """Somebody sends SIGTERM into the container, or the program claims it, and starts again."""
        if pod.works and not self._silent(pod):
            if code in self.jobs[pod.run_id]["restart"]["uncountedExitCodes"]:
                self.excused.append((pod.run_id, pod.uid, len(pod.exits)))
            else:
                self.failures.append(Failure(pod.run_id, pod.task, pod.uid, self.now))
            self._stop(pod, code, False)

    def back_off(self, pod: SimulatedPod, seconds: float) -> None:
        """The kubelet tells that it will not start the container for a while."""
        if pod.state == "ended" and pod.deleted is None and not pod.disrupted and not self._silent(pod):
            pod.state, pod.backoff = "waiting", seconds

    def delete(self, pod: SimulatedPod) -> None:
        """Somebody deletes the pod."""
        if pod.deleted is None:
            pod.deleted = self.now + GRACE

    def stop(self, pod: SimulatedPod, code: int = 143, killed: bool = False) -> None:
        """The container of a deleted pod ends on SIGTERM, by what its program does then, or by SIGKILL."""
        if pod.deleted is not None and pod.state == "running" and not self._silent(pod):
            self._stop(pod, code, killed)

    def evict(self, pod: SimulatedPod, code: int = 143, killed: bool = False) -> None:
        """Somebody evicts the pod: a drain, a preemption."""
        if self._silent(pod) or pod.disrupted:
            return
        pod.disrupted = "EvictionByEvictionAPI"
        if pod.state == "running":
            self._stop(pod, code, killed)
        elif pod.state == "waiting":
            pod.unknown = Exit(137, "ContainerStatusUnknown", "", self.now)
            pod.state = "ended"

    def remove(self, pod: SimulatedPod) -> None:
        """A deleted pod is gone once its container has ended."""
        if pod.deleted is not None and pod.state != "running" and not self._silent(pod):
            self._drop(pod)

    def kubelet(self, pod: SimulatedPod) -> None:
        """Whatever comes next for this pod."""
        if pod.deleted is not None:
            self.stop(pod)
            self.remove(pod)
        else:
            self.start(pod)
            self.pass_gate(pod)
            pod.ready = True

    def lose(self, node: int) -> None:
        """The node does not answer; its programs run on."""
        self.down.add(node)

    def abandon(self) -> None:
        """Pods on nodes that do not answer are deleted, after the toleration."""
        for pod in self.pods.values():
            if pod.node in self.down:
                self.delete(pod)

    def find(self, node: int) -> None:
        """The node answers again."""
        self.down.discard(node)

    def _silent(self, pod: SimulatedPod) -> bool:
        return pod.node in self.down

    def _stop(self, pod: SimulatedPod, code: int, killed: bool) -> None:
        if killed:
            self._end(pod, 137, "")
        elif pod.doing == "parked":
            self._end(pod, pod.marker or 0, "done")
        elif pod.doing == "gate":
            self._end(pod, 143, "")
        else:
            self._end(pod, code, f"{STOPPED} asked to end")

    def _end(self, pod: SimulatedPod, code: int, message: str) -> None:
        pod.state, pod.doing = "ended", ""
        pod.exits.append(Exit(code, "Error" if code else "Completed", message, self.now))

    def _drop(self, pod: SimulatedPod) -> None:
        if self.pods.get(pod.task) is pod:
            del self.pods[pod.task]

    # --- what the controller sees and does ---

    def observe(self, asked: Task | None = None) -> Observation:
        """Everything as it is now, and what the task that is asked tells of its progress."""
        pods = {task: pod.shown() for task, pod in self.pods.items()}
        sets = {
            role: Set(set_.replicas, sum(task.role == role for task in pods), set_.seen_generation == set_.generation)
            for role, set_ in self.sets.items()
        }
        return Observation(self.now, pods, sets, self.suspend, sample=self._read(asked))

    def _read(self, task: Task | None) -> ProgressSample | None:
        pod = self.pods.get(task) if task else None
        if pod is None or not pod.works or not pod.step or self._silent(pod):
            return None
        return ProgressSample(
            Progress(pod.task, pod.step, time=pod.stepped), Container(pod.uid, pod.started - 1), self.now
        )

    def act(self, action: Action) -> None:
        """Carry out one action, as the API server does."""
        if isinstance(action, Scale):
            self.sets[action.role].ask(replicas=action.replicas)
        elif isinstance(action, Delete):
            pod = self.pods.get(action.task)
            if pod and pod.uid == action.uid:
                self.delete(pod)
                if action.force:
                    self._drop(pod)

    def settle(self, fresh: bool = True) -> None:
        """Sets and kubelets do all there is to do at the moment; not `fresh`: the sets by what was seen before."""
        for _ in range(2):
            for role in self.sets:
                self.sync(role, fresh)
            for pod in list(self.pods.values()):
                self.kubelet(pod)

    def lost(self) -> list[SimulatedPod]:
        """Pods whose node does not answer."""
        return [pod for pod in self.pods.values() if pod.node in self.down]


def exits_shown(seen: Observation) -> set[tuple[str, int]]:
    """Uid and number of each container whose end is to be seen."""
    last = {(pod.uid, pod.restarts - 1) for pod in seen.pods.values() if pod.last}
    return last | {(pod.uid, pod.restarts) for pod in seen.pods.values() if pod.current}


def working(pods: Iterable[SimulatedPod]) -> list[SimulatedPod]:
    """Pods whose program runs and can be reached, in a steady order."""
    return sorted((pod for pod in pods if pod.works), key=lambda pod: pod.task)
