"""The names of a job's objects, their labels and its ports; _names.tpl has the same for the chart. Python 3.6."""

from typing import Tuple

PORT = 2222  # TensorFlow's
PROGRESS_PORT = 2223

# Labels of pods, annotations and data of the status ConfigMap.
JOB_LABEL = "tensorflow-job/job"
ROLE_LABEL = "tensorflow-job/role"
RUN_LABEL = RUN_ANNOTATION = "tensorflow-job/run-id"
CONTROLLER_ANNOTATION = "tensorflow-job/controller"
SUSPEND_ANNOTATION = "tensorflow-job/suspend"
CHART_LABEL, CHART_PREFIX = "helm.sh/chart", "tensorflow-job-"
STATUS_KEY, HOLDER_KEY = "status.json", "holder"
HANDLED_KEY = "handled.json"  # the second line of lifecycle.status.dump: training pods do not mount it

CONTAINER = "tensorflow"  # of a training pod


def set_name(job: str, role: str) -> str:
    """The StatefulSet of a role."""
    return "%s-%s" % (job, role)


def pod_name(job: str, task: Tuple[str, int]) -> str:
    """The pod of a task, as a StatefulSet names it."""
    return "%s-%s-%d" % (job, task[0], task[1])


def job_config_name(job: str) -> str:
    """The ConfigMap with job.json."""
    return "%s-job" % job


def status_name(job: str) -> str:
    """The ConfigMap with status.json."""
    return "%s-status" % job


def task_code_name(job: str) -> str:
    """The ConfigMap with the program of every training pod."""
    return "%s-task" % job


def lifecycle_name(job: str) -> str:
    """The lifecycle's ServiceAccount, Role, RoleBinding, NetworkPolicy; its Job and ConfigMaps are named after it."""
    return "%s-lifecycle" % job


def program_name(job: str) -> str:
    """The ConfigMap with the user's program."""
    return "%s-program" % job


def claim_name(job: str) -> str:
    """The claim for checkpoints."""
    return "%s-checkpoints" % job


def dashboard_name(job: str) -> str:
    """The ConfigMap with the Grafana dashboard."""
    return "%s-dashboard" % job


def tensorboard_name(job: str) -> str:
    """The objects of TensorBoard."""
    return "%s-tensorboard" % job
