"""What `tfconfig doctor` concludes from what a cluster says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.helm import merged, render
from tfconfig.cluster.kubectl import Object
from tfconfig.cluster.preflight import (
    admission,
    injection,
    permissions,
    quota,
    references,
    storage,
    versions,
)
from tfconfig.cluster.preflight.check import ERROR, OK, UNKNOWN, WARNING, Check, table
from tfconfig.cluster.preflight.permissions import Permission
from tfconfig.cluster.rights import INSTALLER_VERBS
from tfconfig.values.quantity import parse

GPU = "nvidia.com/gpu"
PROGRAM = {"program": {"command": ["python3", "train.py"]}}


@pytest.mark.parametrize(
    ("version", "result"), [("v1.35.4", OK), ("v1.28.0-gke.1", OK), ("v1.27.16", ERROR), ("v2.0.0", OK)]
)
def test_the_clusters_version_against_the_charts(version: str, result: str) -> None:
    assert versions.kubernetes_version(version, ">=1.28.0-0").result == result


@pytest.mark.parametrize(
    ("version", "result"), [("v3.22.0", OK), ("v4.3.1", OK), ("v2.17.0", ERROR), ("v5.0.0", ERROR), ("", ERROR)]
)
def test_helm_3_and_4_are_accepted(version: str, result: str) -> None:
    assert versions.helm_version(version).result == result


class TestPermissions:
    OBJECTS = render(PROGRAM).objects

    def test_every_kind_that_the_chart_creates_is_checked(self) -> None:
        assert {one["kind"] for one in self.OBJECTS} <= set(permissions.RESOURCES)
        wanted = {(item.resource, item.verb) for item in permissions.to_install(self.OBJECTS, INSTALLER_VERBS)}
        assert {("secrets", "list"), ("statefulsets", "create"), ("rolebindings", "delete")} <= wanted

    def test_without_permission_for_roles_tfconfig_role_is_the_fix(self) -> None:
        wanted = permissions.to_install(self.OBJECTS, INSTALLER_VERBS)
        edit = {right: right.resource not in ("roles", "rolebindings") or right.verb == "get" for right in wanted}
        check = permissions.check_install(edit, wanted)
        assert (check.result, check.fix) == (ERROR, permissions.ROLE_FIX)
        assert check.message == (
            "no permission to list, create, patch, update, delete roles; "
            "list, create, patch, update, delete rolebindings"
        )
        nothing = permissions.check_install(dict.fromkeys(wanted, False), wanted)
        assert nothing.fix == "request them from the administrator, or use another namespace"
        assert permissions.check_install(dict.fromkeys(wanted, True), wanted).result == OK

    def test_a_missing_permission_to_view_is_a_warning(self) -> None:
        wanted = permissions.to_view()
        allowed = {right: right != Permission("get", "", "pods", "log") for right in wanted}
        assert permissions.check_view(allowed, wanted).message == "no permission to get pods/log"
        assert permissions.check_view(allowed, wanted).result == WARNING


# What kubectl 1.35 wrote when a real API server refused these (tests/cluster/test_commands.py has them refused again).
CREATING = 'Error from server (Forbidden): error when creating "STDIN": pods '
REFUSED = [
    (
        'unable to recognize no matches for kind "PodGroup" in version "scheduling.k8s.io/v1beta1"',
        'no matches for kind "PodGroup" in version "scheduling.k8s.io/v1beta1"',
        "feature gate GenericWorkload",
    ),
    (
        'error: resource mapping not found for name: "x" namespace: "" from "STDIN": no matches for kind "PodGroup" in '
        'version "scheduling.volcano.sh/v1beta1"\nensure CRDs are installed first\n',
        'no matches for kind "PodGroup" in version "scheduling.volcano.sh/v1beta1"',
        "install the scheduler that defines it",
    ),
    (
        CREATING + '"release-chief-x7x2p" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        'violates PodSecurity "restricted:latest": runAsNonRoot != true',
        "values/root.yaml",
    ),
    (
        CREATING + '"release-ps-thf4h" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi',
        "maximum memory usage per Container is 1Gi, but limit is 2Gi",
        "LimitRange",
    ),
    (
        CREATING + '"release-ps-pjrxp" is forbidden: failed quota: q: must specify requests.cpu for: tensorflow',
        "failed quota: q: must specify requests.cpu for: tensorflow",
        "set resources.requests",
    ),
    (
        CREATING + '"release-chief-" is forbidden: no PriorityClass with name nix was found',
        "no PriorityClass with name nix was found",
        "priorityClassName",
    ),
]


@pytest.mark.parametrize(("stderr", "message", "fix"), REFUSED)
def test_a_rejection_is_in_the_clusters_words_with_what_to_do(stderr: str, message: str, fix: str) -> None:
    warning = "Warning: would violate PodSecurity\n"
    (check,) = admission.dry_run("chief", warning + stderr + "\n", "accepted", "create pods")
    assert check.result == ERROR
    assert check.message.startswith(message)
    assert fix in check.fix


def test_what_cannot_be_tried_is_unknown() -> None:
    stderr = CREATING + 'is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "team"'
    checks = admission.dry_run("chief", stderr, "accepted", "create pods")
    assert checks == [Check("chief", UNKNOWN, "not tried: no permission to create pods")]


def test_pods_with_the_same_result_share_a_line() -> None:
    checks = [Check(role, OK, "accepted") for role in ("chief", "worker")] + [Check("ps", ERROR, "no", "do")]
    assert admission.merge_equal(checks) == [
        Check("pods", OK, "chief, worker: accepted"),
        Check("pods", ERROR, "ps: no", "do"),
    ]


def test_the_fix_for_the_lifecycle_names_its_own_resources() -> None:
    stderr = CREATING + '"x" is forbidden: failed quota: cpu: must specify limits.cpu for: c'
    tried = [check for name in ("worker", "lifecycle") for check in admission.dry_run(name, stderr, "accepted", "")]
    assert [(check.message.partition(":")[0], check.fix) for check in admission.merge_equal(tried)] == [
        ("worker", "set resources.requests and resources.limits for what it names"),
        ("lifecycle", "set lifecycle.resources.requests and lifecycle.resources.limits for what it names"),
    ]


def pod(amounts: dict[str, Any], **spec: Any) -> Object:
    return {"spec": {"containers": [{"name": "c", "resources": {"requests": amounts, "limits": amounts}}], **spec}}


class TestQuota:
    def test_the_whole_job_is_counted_under_the_names_of_quotas(self) -> None:
        claim = {"kind": "PersistentVolumeClaim", "spec": {"resources": {"requests": {"storage": "10Gi"}}}}
        needed = quota.needs([(pod({"cpu": "500m", "memory": "1Gi", GPU: "1"}), 4), (pod({}), 1)], [claim])
        assert {name: str(amount) for name, amount in needed.items()} == {
            "requests.cpu": "2", "cpu": "2", "limits.cpu": "2", "requests.memory": "4Gi", "memory": "4Gi",
            "limits.memory": "4Gi", f"requests.{GPU}": "4", f"limits.{GPU}": "4", "pods": "5", "count/pods": "5",
            "persistentvolumeclaims": "1", "count/persistentvolumeclaims": "1", "requests.storage": "10Gi",
        }  # fmt: skip

    @pytest.mark.parametrize(("given", "storage_class"), [({}, "nfs"), ({"storageClassName": "disk"}, "disk")])
    def test_a_claim_counts_for_its_class_too(self, given: dict[str, str], storage_class: str) -> None:
        claim = {"kind": "PersistentVolumeClaim", "spec": {"resources": {"requests": {"storage": "10Gi"}}, **given}}
        needed = quota.needs([], [claim, {"kind": "PersistentVolumeClaim"}], "nfs")
        assert str(needed[f"{storage_class}.storageclass.storage.k8s.io/requests.storage"]) == "10Gi"
        assert needed[f"{storage_class}.storageclass.storage.k8s.io/persistentvolumeclaims"].nanos
        none = {**claim, "spec": {**claim["spec"], "storageClassName": ""}}  # type: ignore[dict-item]
        assert not [name for name in quota.needs([], [none], "nfs") if "storageclass" in name]

    def test_quotas_may_name_requests_of_local_storage_and_huge_pages_plainly(self) -> None:
        needed = quota.needs([(pod({"ephemeral-storage": "1Gi", "hugepages-2Mi": "4Mi"}), 2)], [])
        assert (str(needed["ephemeral-storage"]), str(needed["hugepages-2Mi"])) == ("2Gi", "8Mi")

    @pytest.mark.parametrize(("hard", "used", "result"), [("5", "0", OK), ("5", "1", WARNING), ("4", "0", ERROR)])
    def test_what_others_use_is_waited_for_and_a_limit_that_is_too_low_is_an_error(
        self, hard: str, used: str, result: str
    ) -> None:
        one = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": hard}}, "status": {"used": {"pods": used}}}
        (check,) = quota.check_quotas([one], {"pods": parse(5)})
        assert check.result == result

    def test_other_objects_are_counted_under_both_of_their_names(self) -> None:
        kinds = ["ConfigMap", "ConfigMap", "Service", "StatefulSet", "Job", "Role", "PodMonitor", "Unknown"]
        needed = quota.needs([], [{"kind": kind} for kind in kinds])
        assert {name: str(amount) for name, amount in needed.items()} == {
            "configmaps": "2", "count/configmaps": "2", "services": "1", "count/services": "1", "count/jobs.batch": "1",
            "count/statefulsets.apps": "1", "count/roles.rbac.authorization.k8s.io": "1",
            "count/podmonitors.monitoring.coreos.com": "1",
        }  # fmt: skip

    def test_scoped_quotas_are_not_evaluated(self) -> None:
        one = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}, "scopes": ["BestEffort"]}}
        assert [check.result for check in quota.check_quotas([one], {"pods": parse(5)})] == [UNKNOWN]


def storage_class(name: str, provisioner: str, default: bool = False) -> Object:
    notes = {storage.DEFAULT_CLASS: "true"} if default else {}
    return {"metadata": {"name": name, "annotations": notes}, "provisioner": provisioner}


class TestStorage:
    CLASSES = (storage_class("nfs", "nfs.csi.k8s.io", default=True), storage_class("disk", "ebs.csi.aws.com"))

    def claim(self, name: str = "", mode: str = "ReadWriteMany") -> Object:
        values = {"checkpoint": {"storageClassName": name, "accessModes": [mode]}}
        return render(merged(PROGRAM, values), release="digits").one("PersistentVolumeClaim")

    @pytest.mark.parametrize(
        ("name", "mode", "result", "message"),
        [
            ("", "ReadWriteMany", OK, "storage class nfs (nfs.csi.k8s.io), ReadWriteMany"),
            ("disk", "ReadWriteMany", WARNING, "volumes for one node only, not ReadWriteMany"),
            ("disk", "ReadWriteOnce", OK, "storage class disk"),
            ("fast", "ReadWriteMany", ERROR, "storage class fast does not exist"),
            ("-", "ReadWriteMany", UNKNOWN, "no storage class"),
        ],
    )
    def test_the_class_of_the_claim(self, name: str, mode: str, result: str, message: str) -> None:
        check = storage.check_claim(self.claim(name, mode), self.CLASSES, None)
        assert (check.result, check.check) == (result, "claim digits-checkpoints")
        assert message in check.message

    def test_without_a_default_class_the_claim_would_wait(self) -> None:
        check = storage.check_claim(self.claim(), self.CLASSES[1:], None)
        assert (check.result, check.message) == (ERROR, "there is no default storage class")
        assert check.fix.endswith("existing: disk")

    def test_without_permission_for_storage_classes_the_result_is_unknown(self) -> None:
        assert storage.check_claim(self.claim(), None, None).result == UNKNOWN

    def test_an_existing_claim_is_used_if_it_can_be(self) -> None:
        there: Object = {"metadata": {}, "spec": {"accessModes": ["ReadWriteMany"]}, "status": {"phase": "Bound"}}
        assert storage.check_claim(self.claim(), None, there).message.startswith("exists (Bound); the job uses it")
        once = {**there, "spec": {"accessModes": ["ReadWriteOnce"]}}
        assert storage.check_claim(self.claim(), None, once).result == ERROR
        going = {**there, "metadata": {"deletionTimestamp": "2026-11-23T15:17:31Z"}}
        assert storage.check_claim(self.claim(), None, going).message == "is being deleted"


class TestReferences:
    def of(self, values: dict[str, Any]) -> set[tuple[str, str]]:
        rendered = render(merged(PROGRAM, values), release="digits")
        pods = [one["spec"]["template"] for one in rendered.objects if one["kind"] in ("StatefulSet", "Job")]
        return set(references.external_references(pods, rendered.objects))

    def test_what_the_release_contains_is_not_looked_for(self) -> None:
        assert self.of({}) == set()

    def test_everything_that_values_can_name(self) -> None:
        needed = self.of(
            {
                "checkpoint": {"existingClaim": "shared"},
                "imagePullSecrets": [{"name": "pull"}],
                "serviceAccount": {"create": False, "name": "prepared"},
                "program": {"command": ["python3", "train.py"], "existingConfigMap": "code"},
                "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "maybe", "optional": True}}],
                "env": {"TOKEN": {"valueFrom": {"secretKeyRef": {"name": "login", "key": "token"}}}},
                "data": {"images": {"mountPath": "/data", "existingClaim": "images"}},
                "extraVolumes": [{"name": "ca", "secret": {"secretName": "ca"}}],
                "initContainers": [{"name": "i", "image": "i:1", "envFrom": [{"configMapRef": {"name": "setup"}}]}],
            }
        )
        assert needed == {
            ("PersistentVolumeClaim", "shared"),
            ("Secret", "pull"),
            ("ServiceAccount", "prepared"),
            ("ConfigMap", "code"),
            ("Secret", "all"),
            ("Secret", "login"),
            ("PersistentVolumeClaim", "images"),
            ("Secret", "ca"),
            ("ConfigMap", "setup"),
        }

    def test_each_kind_can_be_looked_up(self) -> None:
        results = [references.check_reference("Secret", "pull", there).result for there in (True, False, None)]
        assert results == [OK, ERROR, UNKNOWN]


def test_the_table_has_the_fix_below_the_message() -> None:
    checks = [Check("Helm", OK, "v4.3"), Check("quota", ERROR, "q: pods needed 5, used 0, limit 4", "ask for less")]
    assert table(checks, 80) == [
        "CHECK  RESULT  MESSAGE",
        "Helm   ok      v4.3",
        "quota  error   q: pods needed 5, used 0, limit 4",
        "               → ask for less",
    ]


# As kubectl 1.35 writes it for a user who may not get the Role that is to be applied.
RETRIEVING = """Error from server (Forbidden): error when retrieving current configuration of:
Resource: "rbac.authorization.k8s.io/v1, Resource=roles", GroupVersionKind: "rbac.authorization.k8s.io/v1, Kind=Role"
Name: "digits-lifecycle", Namespace: "team"
from server for: "STDIN": roles.rbac.authorization.k8s.io "digits-lifecycle" is forbidden: \
User "u" cannot get resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "team"
"""


def test_an_error_on_several_lines_is_one_with_its_cause() -> None:
    both = RETRIEVING + 'Error from server (Forbidden): error when creating "STDIN": admission webhook "a" denied it\n'
    assert [message.partition(" ")[0] for message in admission.rejections(both)] == [
        "roles.rbac.authorization.k8s.io", "admission"
    ]  # fmt: skip
    (check,) = admission.dry_run("objects", RETRIEVING, "accepted", "create or get all of them")
    assert check == Check("objects", UNKNOWN, "not tried: no permission to get roles")


@pytest.mark.parametrize(
    ("message", "fix"),
    [
        ('unable to validate against any security context constraint: [provider "anyuid"]', "values/openshift.yaml"),
        ("cpu max limit to request ratio per Container is 2, but provided ratio is 4.0", "lifecycle.resources"),
        ("exceeded quota: small, requested: limits.cpu=1, used: limits.cpu=0", "lifecycle.resources"),
    ],
)
def test_a_rejection_of_the_lifecycle_says_what_to_change(message: str, fix: str) -> None:
    tried = admission.dry_run("lifecycle", f'{CREATING}"x" is forbidden: {message}\n', "accepted", "")
    assert fix in admission.merge_equal(tried)[0].fix


def test_containers_that_the_cluster_adds_are_named_once_for_all_pods() -> None:
    sent = {"spec": {"containers": [{"name": "tensorflow"}]}}
    got = {"spec": {"containers": [{"name": "tensorflow"}, {"name": "proxy"}], "initContainers": [{"name": "init"}]}}
    added = injection.added_containers(sent, got)
    (check,) = injection.check_injection([("chief", added), ("worker", added), ("lifecycle", [])])
    assert (check.result, check.message) == (WARNING, "chief, worker: the cluster adds init, proxy")
    assert "values/no-mesh.yaml" in check.fix


@pytest.mark.parametrize(
    ("modes", "tasks", "result"),
    [
        (["ReadWriteMany"], 4, OK), (["ReadOnlyMany"], 4, OK), (["ReadWriteOnce"], 1, OK),
        (["ReadWriteOnce"], 4, WARNING), (["ReadWriteOncePod"], 4, ERROR),
    ],
)  # fmt: skip
def test_an_existing_claim_against_the_number_of_tasks(modes: list[str], tasks: int, result: str) -> None:
    claim = {"metadata": {}, "spec": {"accessModes": modes}}
    assert storage.check_existing_claim("c", claim, tasks).result == result
