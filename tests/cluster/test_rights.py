"""Who can install a job, what its lifecycle may do, and that its programs may do nothing."""

from __future__ import annotations

import json
import sys

import pytest

from hack.cluster.proxy import Object

from .conftest import Jobs
from .jobs import Job
from .programs import Values, shell

ACCOUNT = "tensorflow-job"
TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture
def no_account_of_its_own() -> Values:
    """Values of those who cannot make Roles."""
    return {"serviceAccount": {"create": False, "name": ACCOUNT}}


def as_user(jobs: Jobs, role: str) -> str:
    """Helm's option for a user whom a RoleBinding gives this ClusterRole, and nothing else."""
    jobs.namespace.create("serviceaccounts", {"metadata": {"name": "user"}})
    subject = {"kind": "ServiceAccount", "name": "user", "namespace": jobs.namespace.name}
    role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    jobs.namespace.create("rolebindings", {"metadata": {"name": "user"}, "roleRef": role_ref, "subjects": [subject]})
    user = f"system:serviceaccount:{jobs.namespace.name}:user"
    jobs.namespace.wait_until("the binding counts", lambda: may(jobs, user, "create", "configmaps"))
    return f"--kube-as-user={user}"


def prepare_account(jobs: Jobs) -> None:
    """What the administrator of a namespace does once."""
    role = jobs.target.run(sys.executable, "-m", "tfconfig", "role", "-n", jobs.namespace.name)
    assert role.returncode == 0, role.stderr
    policy = f"{ACCOUNT}.{jobs.namespace.name}"
    jobs.of_cluster += [f"validatingadmissionpolicy{kind}/{policy}" for kind in ("", "binding")]
    apply = jobs.target.run("kubectl", "apply", "-f", "-", text=role.stdout)
    # Kubernetes before 1.30 does not know the policy; the rest is applied.
    assert all("ValidatingAdmissionPolicy" in line for line in apply.stderr.splitlines()), apply.stderr


def may(jobs: Jobs, user: str, verb: str, resource: str, name: str = "", namespace: str | None = None) -> bool:
    """What `kubectl auth can-i` answers; a resource is `plural.group/subresource`."""
    plural, _, sub = resource.partition("/")
    plural, _, group = plural.partition(".")
    where = jobs.namespace.name if namespace is None else namespace
    what = {"verb": verb, "group": group, "resource": plural, "subresource": sub, "name": name, "namespace": where}
    _, _, account_namespace, _ = user.split(":")
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{account_namespace}", "system:authenticated"]
    body = {"spec": {"user": user, "groups": groups, "resourceAttributes": what}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answer = json.loads(jobs.namespace.api.text("POST", path, body))
    return bool(answer["status"]["allowed"])


def rules_of(jobs: Jobs, user: str) -> list[Object]:
    """Every right in the namespace that the cluster knows of this user."""
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    body = json.dumps({"spec": {"namespace": jobs.namespace.name}})
    done = jobs.target.run("kubectl", "create", f"--raw={path}", "-f", "-", f"--as={user}", text=body)
    assert done.returncode == 0, done.stderr
    rules: list[Object] = json.loads(done.stdout)["status"]["resourceRules"]
    # What everybody may: ask who he is and what he may do, and, from Kubernetes 1.37 on, read public certificates.
    asks = {"authentication.k8s.io", "authorization.k8s.io"}
    return [rule for rule in rules if not {*rule["apiGroups"]} <= asks and rule["resources"] != ["clustertrustbundles"]]


def account_of(job: Job) -> str:
    """The user that the lifecycle is to the API server."""
    name = job.lifecycle_pods[0]["spec"]["serviceAccountName"]
    return f"system:serviceaccount:{job.namespace.name}:{name}"


def test_a_user_with_edit_installs_a_job_with_the_account_that_an_administrator_prepared(
    jobs: Jobs, no_account_of_its_own: Values
) -> None:
    user = as_user(jobs, "edit")
    values = shell("wait_for end", ps={"replicas": 1}, checkpoint={"enabled": True})
    refused = jobs.new("refused").install(values, user, succeeds=False)
    assert 'cannot create resource "roles"' in refused.stderr or 'cannot get resource "roles"' in refused.stderr

    prepare_account(jobs)
    job = jobs.new()
    job.install({**values, **no_account_of_its_own}, user)
    run = job.wait_running()["runId"]
    assert job.lifecycle_pods[0]["spec"]["serviceAccountName"] == ACCOUNT
    job.upgrade("--reuse-values", "--set", "run=2", user)
    job.wait_until("the second run", lambda: job.phase == "Running" and job.status["runId"] != run)
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded")
    assert not [line for line in job.lifecycle_log().splitlines() if "forbidden" in line.lower()]


def test_a_user_with_admin_installs_a_job_as_it_is(jobs: Jobs) -> None:
    job = jobs.new()
    job.install(shell("wait_for end", ps={"replicas": 1}, checkpoint={"enabled": True}), as_user(jobs, "admin"))
    job.wait_running()
    job.tell("worker-0", "end")
    job.wait_ended("Succeeded")
    assert not [line for line in job.lifecycle_log().splitlines() if "forbidden" in line.lower()]


@pytest.fixture(scope="module")
def job(shared_jobs: Jobs) -> Job:
    """A job with every role that runs, beside another one."""
    one = {"replicas": 1}
    job = shared_jobs.install(shell("sleep 600", chief=one, worker={"replicas": 2}, ps=one, evaluator=one))
    other = shared_jobs.install(shell("sleep 600"), "other")
    for running in (job, other):
        running.wait_running()
    return job


def test_training_pods_hold_no_token_and_have_no_permissions(job: Job) -> None:
    labels = job.namespace.api.get("namespaces", "", job.namespace.name)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert set(job.pods) == {"chief-0", "worker-0", "worker-1", "ps-0", "evaluator-0"}
    for task, pod in job.pods.items():
        assert pod["spec"]["serviceAccountName"] == "default"
        assert job.exec(task, "sh", "-c", f"ls {TOKENS} /run/secrets 2>/dev/null; true").split() == []
        assert job.exec(task, "sh", "-c", "grep -rl '^eyJ' /var/run /run 2>/dev/null; true").split() == []
    # With the lifecycle it is otherwise: so this is where a token would be.
    name = job.lifecycle_pods[0]["metadata"]["name"]
    found = job.target.run("kubectl", "exec", name, "-n", job.namespace.name, "--", "ls", TOKENS).stdout
    assert "token" in found.split()


def test_the_lifecycle_may_do_what_it_must_and_nothing_else(shared_jobs: Jobs, job: Job) -> None:
    jobs, other = shared_jobs, shared_jobs.all[1]
    user, mine = account_of(job), job.controller
    allowed = [
        ("list", "pods", ""),
        ("watch", "pods", ""),
        ("get", "pods/log", "job-worker-0"),
        ("delete", "pods", "job-worker-0"),
        ("delete", "pods", "job-worker-1"),
        ("delete", "pods", "job-ps-0"),
        ("get", "statefulsets.apps", "job-worker"),
        ("patch", "statefulsets.apps/scale", "job-worker"),
        ("get", "configmaps", "job-status"),
        ("patch", "configmaps", "job-status"),
        ("patch", "jobs.batch", mine),
        ("create", "events", ""),
        ("list", "events", ""),
        ("get", "persistentvolumeclaims", "job-checkpoints"),
    ]
    forbidden = [
        ("get", "secrets", "sh.helm.release.v1.job.v1"),
        ("list", "secrets", ""),
        ("create", "pods", ""),
        ("create", "pods/exec", "job-worker-0"),
        ("create", "pods/eviction", "job-worker-0"),
        ("create", "pods/ephemeralcontainers", "job-worker-0"),
        ("patch", "pods", "job-worker-0"),
        ("delete", "pods", "job-worker-2"),
        ("delete", "pods", "other-worker-0"),
        ("delete", "pods", job.lifecycle_pods[0]["metadata"]["name"]),
        ("deletecollection", "pods", ""),
        ("patch", "statefulsets.apps", "job-worker"),
        ("delete", "statefulsets.apps", "job-worker"),
        ("patch", "statefulsets.apps/scale", "other-worker"),
        ("list", "configmaps", ""),
        ("get", "configmaps", "other-status"),
        ("patch", "configmaps", "other-status"),
        ("patch", "configmaps", "job-job"),
        ("patch", "configmaps", "job-lifecycle"),
        ("create", "configmaps", ""),
        ("delete", "configmaps", "job-status"),
        ("update", "configmaps", "job-status"),
        ("patch", "jobs.batch", other.controller),
        ("delete", "jobs.batch", mine),
        ("create", "jobs.batch", ""),
        ("delete", "persistentvolumeclaims", "job-checkpoints"),
        ("create", "serviceaccounts/token", user.rpartition(":")[2]),
        ("patch", "roles.rbac.authorization.k8s.io", "job-lifecycle"),
        ("get", "services", "job"),
    ]
    table = {(verb, what, name): may(jobs, user, verb, what, name) for verb, what, name in allowed + forbidden}
    assert [right for right in allowed if not table[right]] == []
    assert [right for right in forbidden if table[right]] == []
    # In other namespaces and of the cluster: nothing.
    for namespace, resource in (("kube-system", "pods"), ("default", "configmaps"), ("", "nodes"), ("", "namespaces")):
        assert not may(jobs, user, "list", resource, namespace=namespace)

    # And the table has not left anything out: these are all its rights.
    role = jobs.namespace.get("roles", "job-lifecycle")["rules"]
    assert _flat(rules_of(jobs, user)) == _flat(role)
    for task in job.pods:
        account = job.pods[task]["spec"]["serviceAccountName"]
        assert rules_of(jobs, f"system:serviceaccount:{jobs.namespace.name}:{account}") == []


def _flat(rules: list[Object]) -> set[tuple[str, ...]]:
    return {
        (group, resource, name, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or [""]
        for verb in rule["verbs"]
    }
