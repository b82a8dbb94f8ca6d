"""A node is cut off: what is reported, what goes on elsewhere, and what happens when it comes back.

One node is cut off once, under several jobs that each had something on it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from hack.cluster.proxy import ApiError, Object
from hack.cluster.target import Target

from .conftest import Jobs
from .jobs import Job, seconds_between
from .programs import Values, digits, python, shell

STAYS, LOST = "node1", "node2"
TAINT = "tensorflow-job-test"
STEPS = 1500
NOTICED = "Connection timed out|failed to connect to all addresses|UnavailableError"
SILENT = {"schedules": "chief-0", "dequeues": "worker-0"}  # jobs and the task that waits for an answer
TOLERATIONS = [{"key": TAINT, "operator": "Exists"}]

# Each task counts its steps in the checkpoint folder and goes on from there; which pod does so shows as well.
TRAINS = """
mine="$CHECKPOINT_DIR/$TASK_TYPE" pod=`hostname -i`
step=`cat "$mine" 2>/dev/null`
echo "starts at step ${step:-0}"
while ! test -e "$HOME/end"; do
    step=$((step + 1))
    echo $step > "$mine-$pod"; cp "$mine-$pod" "$mine-$pod.new"; mv "$mine-$pod.new" "$mine"; sleep 1
done
"""

# Waits for an answer of the worker, in a call that says nothing for an hour.
SCHEDULES = """
import time
import tensorflow as tf
from tensorflow.python.data.experimental.ops import testing
strategy = tf.distribute.ParameterServerStrategy(tf.distribute.cluster_resolver.TFConfigClusterResolver())
coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
@tf.function
def silent():
    return next(iter(tf.data.Dataset.range(1).apply(testing.sleep(3_600_000_000))))
coordinator.schedule(silent)
print("waits", flush=True)
coordinator.join()
"""

# Waits for a token in a queue on the parameter server, as SyncReplicasOptimizer does.
DEQUEUES = """
import json, os
import tensorflow.compat.v1 as tf
tf.disable_eager_execution()
task = json.loads(os.environ["TF_CONFIG"])
server = tf.train.Server(task["cluster"], "worker", 0)
with tf.device("/job:ps/task:0"):
    token = tf.FIFOQueue(1, [tf.int32], shared_name="tokens").dequeue()
with tf.Session(server.target) as session:
    print("waits", flush=True)
    session.run(token)
"""

pytestmark = pytest.mark.timeout(420, func_only=True)


@dataclass
class Scene:
    """The jobs by name, when the node was cut off, and the pods that there were then."""

    jobs: dict[str, Job]
    before: dict[str, dict[str, Object]] = field(default_factory=dict)
    cut: float = 0.0


def on(node: str) -> Values:
    """A setting of a role, or of the lifecycle: only on this node."""
    return {"nodeSelector": {"kubernetes.io/hostname": node}}


def better_on(node: str) -> Values:
    """The same: on this node as long as it is there."""
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    preferred = [{"weight": 100, "preference": here}]
    return {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}}


def values_of_jobs() -> dict[str, Values]:
    """Jobs that have one thing each on the node that will be lost."""
    one = {"replicas": 1}
    stays, moves = {**one, **on(STAYS)}, {**one, **better_on(LOST)}
    replace = {"restart": {"nodeLoss": "Replace", "nodeLossGraceSeconds": 20}}
    leaves = [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}]
    moving_lifecycle = {**better_on(LOST), "tolerations": [*TOLERATIONS, {**leaves[0], "tolerationSeconds": 5}]}
    common: Values = {
        "tolerations": TOLERATIONS,
        "unreachableTolerationSeconds": 5,
        "terminationGracePeriodSeconds": 5,
        "lifecycle": {**on(STAYS), "tolerations": TOLERATIONS},
    }
    training: Values = {"checkpoint": {"enabled": True}, **common}
    return {
        "worker": shell(TRAINS, worker=moves, ps=stays, **training, **replace),
        "ps": shell(TRAINS, worker=stays, ps=moves, **training, **replace),
        "chief": shell(TRAINS, worker=stays, chief=moves, **training, **replace),
        "controller": shell(TRAINS, worker=stays, **{**training, "lifecycle": moving_lifecycle}),
        "waits": shell(TRAINS, worker=stays, ps={**one, **on(LOST)}, **training),
        "ends": shell("wait_for end", worker=stays, ps={**one, **on(LOST)}, **common),
        "schedules": python(
            "ParameterServer", SCHEDULES, worker={**one, **on(LOST)}, chief=on(STAYS), ps=stays, **common
        ),
        "dequeues": python("BetweenGraph", DEQUEUES, worker=stays, ps=moves, **common, **replace),
        "digits": digits(STEPS, "--save-every=200", worker=stays, chief=on(STAYS), ps=moves, **common, **replace),
    }


@pytest.fixture(scope="module")
def lost(cluster: Target, shared_jobs: Jobs) -> Iterator[Scene]:
    """The jobs run, and the second node is cut off."""
    if not cluster.own:
        pytest.skip("only on the kit's cluster")
    nodes = shared_jobs.namespace.api.get("nodes", "")["items"]
    if any(node["metadata"]["name"] == LOST for node in nodes):
        cluster.kit("heal-node", "2")  # cut off by a session that was killed, say
    cluster.kit("up", "--nodes", "2")
    # The node stays until the cluster goes: no pods of other tests on it.
    taint = cluster.run("kubectl", "taint", "node", LOST, f"{TAINT}=node-loss:NoSchedule", "--overwrite")
    assert taint.returncode == 0, taint.stderr
    scene = Scene({name: shared_jobs.install(values, name) for name, values in values_of_jobs().items()})
    for job in scene.jobs.values():
        job.wait_running()
    for name, task in SILENT.items():
        scene.jobs[name].wait_for_log(task, "^waits", 200)
    scene.jobs["digits"].wait_for_log("chief-0", r"^step [3-9]\d\d of", 200)
    scene.before = {name: dict(job.pods) for name, job in scene.jobs.items()}
    for name, job in scene.jobs.items():
        there = [pod["metadata"]["name"] for pod in (*job.pods.values(), *job.lifecycle_pods) if _node(pod) == LOST]
        assert len(there) == 1, (name, there)
    try:
        cluster.kit("cut-node", "2")
        scene.cut = time.time()
        yield scene
    finally:
        cluster.kit("heal-node", "2")


@pytest.fixture(scope="module")
def back(cluster: Target, lost: Scene, shared_jobs: Jobs) -> Scene:
    """The node has come back, once all jobs that can do without it have done so."""
    for name in ("worker", "ps", "chief"):
        wait_replaced(lost, name)
    cluster.kit("heal-node", "2")
    shared_jobs.namespace.wait_until("the node is ready", lambda: _is_ready(shared_jobs), 90)
    return lost


def wait_replaced(scene: Scene, name: str, seconds: float = 150) -> None:
    """The task that was on the lost node runs on the other one."""
    job, task = scene.jobs[name], f"{name}-0"
    job.wait_for_new_pod(task, scene.before[name][task]["metadata"]["uid"], seconds)
    assert _node(job.pods[task]) == STAYS


def messages(job: Job) -> set[str]:
    """Every message that there was in the status."""
    documents = [seen.object for seen in job.namespace.configmaps.history]
    mine = [one.get("data", {}) for one in documents if one["metadata"]["name"] == f"{job.name}-status"]
    return {json.loads(data["status.json"])["message"] for data in mine if data}


def test_the_outcome_is_recorded_at_once_although_a_node_was_lost(lost: Scene) -> None:
    job = lost.jobs["ends"]
    job.tell("worker-0", "end")
    status = job.wait_for_phase("Succeeded", 30)  # Kubernetes itself gives a node up after 40 s
    assert status["message"] == "worker-0 exited 0"


@pytest.mark.parametrize(("name", "lost_task"), [("schedules", "worker-0"), ("dequeues", "ps-0")])
def test_a_program_that_only_waits_is_started_anew_soon_after_the_status_names_the_node(
    lost: Scene, name: str, lost_task: str
) -> None:
    """TensorFlow itself would notice after 310 s, when gRPC pings."""
    job, task = lost.jobs[name], SILENT[name]
    uid = lost.before[name][task]["metadata"]["uid"]
    named = job.wait_until("the node is named", lambda: _named(job, lost_task), 90) - lost.cut
    ends = job.wait_until("the program is asked to end", lambda: _asked_to_end(job, uid), 60) - lost.cut
    job.wait_for_new_pod(task, uid, 60)
    print(f"{name}: the status names the node after {named:.0f} s, {task} is asked to end after {ends:.0f} s")
    assert named <= 60
    assert ends - named <= 30
    assert job.status["failures"] == 0


def test_training_notices_a_lost_parameter_server_within_30_seconds(lost: Scene) -> None:
    job = lost.jobs["digits"]
    noticed = job.wait_until("an error of TensorFlow", lambda: _first_line(job, "chief-0", NOTICED), 60)
    assert seconds_between("1970-01-01T00:00:00Z", noticed[:23] + "Z") - lost.cut < 30
    # TensorFlow tries to reach it again, and a last time while the program ends.
    job.wait_until("the chief's program ends", lambda: job.status["failures"] == 1, 90)


@pytest.mark.parametrize("task", ["worker", "ps", "chief"])
def test_a_task_of_a_lost_node_is_replaced_and_goes_on_from_its_checkpoint(lost: Scene, task: str) -> None:
    job = lost.jobs[task]
    wait_replaced(lost, task)
    assert f"{task}-0: node {LOST} does not answer" in messages(job)
    # 40 s pass before Kubernetes gives a node up.
    assert int(job.wait_for_log(f"{task}-0", r"^starts at step (\d+)")[1]) >= 10
    job.wait_running()
    assert job.status["failures"] == 0
    others = set(job.pods) - {f"{task}-0"}
    assert {other: job.pods[other]["metadata"]["uid"] for other in others} == {
        other: lost.before[task][other]["metadata"]["uid"] for other in others
    }


def test_with_wait_the_status_names_the_node_and_nothing_is_replaced(lost: Scene) -> None:
    job = lost.jobs["waits"]
    job.wait_for_message(f"ps-0: node {LOST} does not answer; restart.nodeLoss Wait: its pod is not replaced$", 150)
    assert job.phase == "Restarting"
    assert job.pods["ps-0"]["metadata"]["uid"] == lost.before["waits"]["ps-0"]["metadata"]["uid"]


def test_a_lost_controller_is_replaced_and_the_training_goes_on(lost: Scene) -> None:
    job = lost.jobs["controller"]
    job.wait_until("another pod holds the job", lambda: _node(_holder(job)) == STAYS, 150)
    job.wait_running()
    assert job.pods["worker-0"]["metadata"]["uid"] == lost.before["controller"]["worker-0"]["metadata"]["uid"]
    assert (job.status["failures"], job.status["restarts"]) == (0, 0)


def test_the_training_resumes_elsewhere_and_ends_well(lost: Scene) -> None:
    job = lost.jobs["digits"]
    job.wait_until("the parameter server runs elsewhere", lambda: _moved(job, lost, "ps-0"), 150)
    resumed = job.wait_for_log("chief-0", r"^resumed from \S+ at step (\d+)", 120)
    assert int(resumed[1]) >= 200
    status = job.wait_ended("Succeeded", 240, disturbed=True)
    assert f"done: step {STEPS}" in job.tail()
    assert status["failures"] <= 2


def test_a_pod_that_cannot_go_from_the_lost_node_does_not_hold_the_job(lost: Scene) -> None:
    job = lost.jobs["ends"]
    # Only that it had time to go is waited for.
    job.wait_until("the Job is Complete", lambda: job.condition("Complete"), 120)
    assert set(job.pods) == {"ps-0"}
    assert job.sets() == {"worker": 0, "ps": 0}


@pytest.mark.parametrize("task", ["worker", "ps", "chief"])
def test_a_replaced_task_is_not_disturbed_by_the_node_that_comes_back(back: Scene, task: str) -> None:
    job, old = back.jobs[task], back.before[task][f"{task}-0"]
    mark = f"/checkpoints/{task}/{task}-{old['status']['podIP']}"
    asks = f'test $((`date +%s` - `stat -c %Y "{mark}"`)) -gt 2 && echo ended; true'
    job.wait_until("the old pod's program is ended", lambda: job.exec(f"{task}-0", "sh", "-c", asks) == "ended\n", 60)
    assert _node(job.pods[f"{task}-0"]) == STAYS
    assert job.status["failures"] == 0
    _end_well(job)


def test_what_waited_goes_on_when_the_node_comes_back(back: Scene) -> None:
    job = back.jobs["waits"]
    job.wait_for_new_pod("ps-0", back.before["waits"]["ps-0"]["metadata"]["uid"])
    job.wait_running()
    assert int(job.wait_for_log("ps-0", r"^starts at step (\d+)")[1]) >= 10
    assert job.status["failures"] == 0
    _end_well(job)


def test_a_controller_that_comes_back_leaves_the_job_to_the_one_that_replaced_it(back: Scene) -> None:
    job = back.jobs["controller"]
    job.wait_until("one controller is left", lambda: [_node(pod) for pod in job.lifecycle_pods] == [STAYS])
    assert _node(_holder(job)) == STAYS
    _end_well(job)
    assert job.restarts("worker-0") <= 1  # the one that parks, at the end


def _end_well(job: Job) -> None:
    decides = "chief-0" if "chief-0" in job.pods else "worker-0"
    job.tell(decides, "end")
    job.wait_ended("Succeeded", disturbed=True)


def _node(pod: Object) -> str:
    return str(pod.get("spec", {}).get("nodeName", ""))


def _holder(job: Job) -> Object:
    """The lifecycle pod that wrote the status last."""
    holder = job.namespace.configmaps.objects[f"{job.name}-status"]["data"]["holder"]
    return next((pod for pod in job.lifecycle_pods if pod["metadata"]["name"] == holder), {})


def _named(job: Job, task: str) -> float:
    """When the status first said that this task's node does not answer; 0 if it did not yet."""
    said = f"{task}: node {LOST} does not answer"
    seen = [
        item for item in job.namespace.configmaps.history if item.object["metadata"]["name"] == f"{job.name}-status"
    ]
    return next((item.time for item in seen if said in (item.object.get("data") or {}).get("status.json", "")), 0.0)


def _asked_to_end(job: Job, uid: str) -> float:
    """When this pod was deleted, its grace period begun; 0 if it was not yet."""
    seen = [item for item in job.namespace.pods.history if item.object["metadata"]["uid"] == uid]
    return next((item.time for item in seen if "deletionTimestamp" in item.object["metadata"]), 0.0)


def _moved(job: Job, scene: Scene, task: str) -> bool:
    old = scene.before[job.name][task]["metadata"]["uid"]
    return job.runs(task) and job.pods[task]["metadata"]["uid"] != old


def _first_line(job: Job, task: str, pattern: str) -> str | None:
    """The first line that matches in the logs of a task's last two containers; it begins with the time."""
    path = f"/api/v1/namespaces/{job.namespace.name}/pods/{job.name}-{task}/log"
    for previous in ("true", "false"):
        query = {"container": "tensorflow", "timestamps": "true", "previous": previous}
        try:
            lines = job.namespace.api.text("GET", path, query=query).splitlines()
        except ApiError:  # there is only one container yet
            continue
        for line in lines:
            if re.search(pattern, line):
                return line
    return None


def _is_ready(jobs: Jobs) -> bool:
    conditions = jobs.namespace.api.get("nodes", "", LOST)["status"]["conditions"]
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
