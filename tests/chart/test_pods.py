"""What values put into the pods."""

from __future__ import annotations

from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from .helm import CHART, PROGRAM, Values, merged, render
from .kubernetes import NEWEST, assert_valid

STATE = "/tensorflow-job-state"
SOME = hypothesis.settings(max_examples=50, deadline=None)


def env_of(values: Values, role: str = "worker") -> dict[str, Any]:
    """Name -> text, or valueFrom, in the container of a role."""
    entries = render(merged(PROGRAM, values)).container_of(role)["env"]
    assert len({entry["name"] for entry in entries}) == len(entries)
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in entries}


def test_the_command_of_a_task() -> None:
    rendered = render(merged(PROGRAM, {"terminationGracePeriodSeconds": 90}))
    run = rendered.job_spec()["runId"]
    assert rendered.container_of("ps")["command"] == [
        "python3",
        "-S",
        "/tensorflow-job/lib/tensorflow_job/task",
        "run",
        "--role=ps",
        f"--run-id={run}",
        "--grace=90",
        "--config=/tensorflow-job/config",
        f"--state={STATE}",
        "--progress=2223",
    ]
    assert rendered.pod_of("ps")["terminationGracePeriodSeconds"] == 90


def test_the_command_of_the_lifecycle() -> None:
    rendered = render(PROGRAM)
    assert rendered.lifecycle()["containers"][0]["command"] == [
        "python3",
        "-B",
        "/tensorflow-job/lib/tensorflow_job/lifecycle",
        "--config=/tensorflow-job/config",
        f"--job={rendered.one('Job')['metadata']['name']}",
        f"--run-id={rendered.job_spec()['runId']}",
    ]


def test_a_wrapped_python_starts_the_task() -> None:
    rendered = render(merged(PROGRAM, {"python": ["conda", "run", "python"], "ps": {"python": ["python3.6"]}}))
    assert rendered.container_of("worker")["command"][:5] == [
        "conda",
        "run",
        "python",
        "-S",
        "/tensorflow-job/lib/tensorflow_job/task",
    ]
    assert rendered.container_of("ps")["command"][:3] == ["python3.6", "-S", "/tensorflow-job/lib/tensorflow_job/task"]


def test_configuration_status_and_state_are_mounted() -> None:
    rendered = render(PROGRAM, release="mnist")
    pod = rendered.pod_of("worker")
    mounts = {mount["mountPath"]: mount for mount in rendered.container_of("worker")["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes[mounts["/tensorflow-job/lib/tensorflow_job/task"]["name"]]["configMap"] == {"name": "mnist-task"}
    status = {"key": "status.json", "path": "status.json"}  # and not what else the lifecycle keeps there
    assert volumes[mounts["/tensorflow-job/config"]["name"]]["projected"]["sources"] == [
        {"configMap": {"name": "mnist-job"}},
        {"configMap": {"name": "mnist-status", "optional": True, "items": [status]}},
    ]
    assert volumes[mounts[STATE]["name"]]["emptyDir"] == {}
    assert [path for path, mount in mounts.items() if mount.get("readOnly")] == [
        "/tensorflow-job/lib/tensorflow_job/task",
        "/tensorflow-job/config",
    ]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "tensorflow/tensorflow:2.21.0"),
        ({"tag": "1.15.5"}, "tensorflow/tensorflow:1.15.5"),
        ({"registry": "nvcr.io", "repository": "nvidia/tensorflow", "tag": "24.03"}, "nvcr.io/nvidia/tensorflow:24.03"),
        ({"digest": "sha256:" + "0" * 64}, "tensorflow/tensorflow@sha256:" + "0" * 64),
        ({"tag": "1", "digest": "sha256:" + "0" * 64}, "tensorflow/tensorflow:1@sha256:" + "0" * 64),
        ({"repository": "localhost:5000/team/tf"}, "localhost:5000/team/tf:2.21.0"),
    ],
)
def test_the_image_reference(image: Values, expected: str) -> None:
    assert render(merged(PROGRAM, {"image": image})).container_of("chief")["image"] == expected


def test_a_roles_image_changes_only_what_it_names() -> None:
    rendered = render(
        merged(
            PROGRAM,
            {
                "image": {"registry": "r.example.com", "tag": "1"},
                "ps": {"image": {"tag": "2"}},
                "chief": {"image": {"tag": None}},
            },
        )
    )
    assert rendered.container_of("worker")["image"] == "r.example.com/tensorflow/tensorflow:1"
    assert rendered.container_of("ps")["image"] == "r.example.com/tensorflow/tensorflow:2"
    assert rendered.container_of("chief")["image"] == "r.example.com/tensorflow/tensorflow:2.21.0"


def test_env_values_become_text() -> None:
    env = env_of(
        {
            "env": {
                "TEXT": "1e3",
                "EMPTY": "",
                "INT": 1000000,
                "BIG": 9007199254740991,
                "NEG": -3,
                "YES": True,
                "NO": False,
            }
        }
    )
    expected = {
        "TEXT": "1e3",
        "EMPTY": "",
        "INT": "1000000",
        "BIG": "9007199254740991",
        "NEG": "-3",
        "YES": "true",
        "NO": "false",
    }
    assert {name: env[name] for name in expected} == expected


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
PRINTABLE = st.text(
    st.sampled_from("\t\n\r ") | st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff")
)


@SOME
@hypothesis.given(ANY_TEXT)
def test_any_text_survives_in_the_program(text: str) -> None:
    rendered = render({"program": {"command": ["sh", text], "args": [text], "files": {"data.txt": text}}})
    assert rendered.job_spec()["program"] == {"command": ["sh", text], "args": [text]}
    assert rendered.one("ConfigMap", "digits-program")["data"] == {"data.txt": text}


@SOME
@hypothesis.given(PRINTABLE)
def test_any_printable_text_survives_in_env(text: str) -> None:
    assert env_of({"env": {"TEXT": text}})["TEXT"] == text


def test_env_takes_values_from_elsewhere() -> None:
    source = {"secretKeyRef": {"name": "tracker", "key": "token"}}
    assert env_of({"env": {"TOKEN": {"valueFrom": source}}})["TOKEN"] == source


def test_a_role_overrides_env_by_name_and_null_removes_a_name() -> None:
    values: Values = {"env": {"A": "1", "B": "2", "C": "3"}, "worker": {"env": {"B": None, "C": "three", "D": "4"}}}
    env = env_of(values)
    assert {name: env.get(name) for name in "ABCD"} == {"A": "1", "B": None, "C": "three", "D": "4"}
    assert env_of(values, "ps").keys() >= {"A", "B", "C"}


def test_writable_folders_and_hidden_gpus_by_default() -> None:
    env = {
        "HOME": f"{STATE}/home",
        "TMPDIR": f"{STATE}/tmp",
        "CUDA_VISIBLE_DEVICES": "-1",
        "NVIDIA_VISIBLE_DEVICES": "void",
    }
    assert env_of({}) == env


def test_the_users_env_comes_before_the_charts() -> None:
    assert env_of({"env": {"HOME": "/root"}, "worker": {"env": {"CUDA_VISIBLE_DEVICES": "0"}}}) == {
        "HOME": "/root",
        "TMPDIR": f"{STATE}/tmp",
        "CUDA_VISIBLE_DEVICES": "0",
        "NVIDIA_VISIBLE_DEVICES": "void",
    }


def test_the_charts_variables_come_first_so_that_others_can_refer_to_them() -> None:
    data = {"digits": {"mountPath": "/data", "existingClaim": "c", "env": "DATA"}}
    entries = render(merged(PROGRAM, {"data": data, "env": {"A": "$(DATA)/a"}})).container_of("chief")["env"]
    names = [entry["name"] for entry in entries]
    assert names.index("DATA") < names.index("A")


def test_gpus_are_limits_and_requests_beside_the_roles_resources() -> None:
    own = {"requests": {"cpu": 2, "memory": "1.5Gi"}, "limits": {"memory": "2Gi"}}
    rendered = render(merged(PROGRAM, {"worker": {"gpus": 2, "resources": own}}))
    assert rendered.container_of("worker")["resources"] == {
        "requests": {"cpu": 2, "memory": "1.5Gi", "nvidia.com/gpu": "2"},
        "limits": {"memory": "2Gi", "nvidia.com/gpu": "2"},
    }
    assert "resources" not in {k: v for k, v in rendered.container_of("ps").items() if v}
    names = {entry["name"] for entry in rendered.container_of("worker")["env"]}
    assert names == {"HOME", "TMPDIR"}
    assert rendered.job_spec()["gpus"] == {"worker": 2}


def test_gpus_of_any_kind() -> None:
    rendered = render(
        merged(
            PROGRAM,
            {"gpuResource": "amd.com/gpu", "worker": {"gpus": 8}, "chief": {"gpus": 1, "gpuResource": "x.io/g"}},
        )
    )
    assert rendered.container_of("worker")["resources"]["limits"] == {"amd.com/gpu": "8"}
    assert rendered.container_of("chief")["resources"]["limits"] == {"x.io/g": "1"}


def test_stable_distributed_tensorflow_request_for_requests_cannot_come_back() -> None:
    """The archived chart wrote `resources.request`, which Kubernetes dropped in silence."""
    for gpus in (0, 1):
        container = render(
            merged(
                PROGRAM, {"worker": {"gpus": gpus, "resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": 1}}}}
            )
        ).container_of("worker")
        assert set(container["resources"]) == {"limits", "requests"}
    source = "".join(file.read_text("utf-8") for file in (CHART / "templates").rglob("*.*"))
    assert "request:" not in source


def test_stable_distributed_tensorflow_trimmed_gpu_limit_cannot_come_back() -> None:
    """The archived chart trimmed the line break before its GPU limit, so that the line joined the one above it."""
    for limits in ({}, {"memory": "2Gi"}, {"cpu": 1, "memory": "2Gi"}):
        rendered = render(merged(PROGRAM, {"worker": {"gpus": 1, "resources": {"limits": limits}}}))
        assert rendered.container_of("worker")["resources"]["limits"] == {**limits, "nvidia.com/gpu": "1"}
        assert_valid(rendered.set_of("worker"), NEWEST)


@pytest.mark.parametrize(
    ("setting", "first", "second"),
    [
        ("nodeSelector", {"pool": "cpu"}, {"disk": "ssd"}),
        ("podLabels", {"team": "vision"}, {"tier": "a"}),
        ("podAnnotations", {"note": "x"}, {"other": "y"}),
    ],
)
def test_maps_of_a_role_merge_by_key(setting: str, first: Values, second: Values) -> None:
    removed = dict.fromkeys(first)
    rendered = render(merged(PROGRAM, {setting: first, "worker": {setting: second}, "ps": {setting: removed}}))

    def of(role: str) -> Values:
        template = rendered.set_of(role)["spec"]["template"]
        metadata = {"podLabels": "labels", "podAnnotations": "annotations"}
        return template["metadata"][metadata[setting]] if setting in metadata else template["spec"].get(setting, {})  # type: ignore[no-any-return]

    assert of("worker").items() >= {**first, **second}.items()
    assert of("chief").items() >= first.items()
    assert not of("ps").keys() & first.keys()


@pytest.mark.parametrize(
    ("setting", "field", "top", "own", "nothing"),
    [
        ("affinity", "affinity", {"nodeAffinity": {}}, {"podAffinity": {}}, {}),
        ("priorityClassName", "priorityClassName", "high", "low", ""),
        ("runtimeClassName", "runtimeClassName", "nvidia", "gvisor", ""),
        ("schedulerName", "schedulerName", "volcano", "kueue", ""),
        ("podSecurityContext", "securityContext", {"runAsUser": 5}, {"runAsUser": 6}, {}),
        ("initContainers", "initContainers", [{"name": "a", "image": "a"}], [{"name": "b", "image": "b"}], []),
    ],
)
def test_other_settings_of_a_role_replace_the_whole(setting: str, field: str, top: Any, own: Any, nothing: Any) -> None:
    rendered = render(
        merged(PROGRAM, {setting: top, "worker": {setting: own}, "ps": {setting: nothing}, "chief": {setting: None}})
    )
    whole = rendered.pod_of("worker")[field]
    assert whole == own
    assert field not in rendered.pod_of("ps")
    assert field not in rendered.pod_of("chief")


def test_zero_and_empty_of_a_role_are_not_taken_for_nothing_said() -> None:
    values = {
        "unreachableTolerationSeconds": 60,
        "resources": {"limits": {"memory": "1Gi"}},
        "tolerations": [{"key": "a"}],
        "worker": {"unreachableTolerationSeconds": 0, "resources": {}, "tolerations": []},
    }
    rendered = render(merged(PROGRAM, values))
    assert [one["tolerationSeconds"] for one in rendered.pod_of("worker")["tolerations"]] == [0, 0]
    assert not rendered.container_of("worker")["resources"]
    assert [one.get("tolerationSeconds") for one in rendered.pod_of("ps")["tolerations"]] == [None, 60, 60]


def test_pods_leave_a_lost_node_after_a_time_that_can_be_set() -> None:
    tolerations = render(PROGRAM).pod_of("worker")["tolerations"]
    assert {(one["key"], one["tolerationSeconds"]) for one in tolerations} == {
        ("node.kubernetes.io/not-ready", 300),
        ("node.kubernetes.io/unreachable", 300),
    }
    assert not render(merged(PROGRAM, {"unreachableTolerationSeconds": None})).pod_of("worker")["tolerations"]


def test_the_cluster_autoscaler_leaves_tasks_alone_unless_told_otherwise() -> None:
    key = "cluster-autoscaler.kubernetes.io/safe-to-evict"
    template = render(PROGRAM).set_of("worker")["spec"]["template"]
    assert template["metadata"]["annotations"] == {key: "false"}
    assert render(PROGRAM).one("Job")["spec"]["template"]["metadata"]["annotations"] == {key: "false"}
    evictable = render(merged(PROGRAM, {"podAnnotations": {key: None}})).set_of("worker")
    assert "annotations" not in evictable["spec"]["template"]["metadata"]


def test_a_topology_spread_constraint_gets_the_selector_of_its_role() -> None:
    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    own = {**constraint, "labelSelector": {"matchLabels": {"a": "b"}}}
    rendered = render(merged(PROGRAM, {"topologySpreadConstraints": [constraint, own]}))
    for role in ("chief", "worker"):
        selector = rendered.set_of(role)["spec"]["selector"]
        assert rendered.pod_of(role)["topologySpreadConstraints"] == [{**constraint, "labelSelector": selector}, own]


def test_shared_memory() -> None:
    rendered = render(merged(PROGRAM, {"worker": {"shmSize": "8Gi"}}))
    volume = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}
    assert volume in rendered.pod_of("worker")["volumes"]
    assert {"name": "shm", "mountPath": "/dev/shm"} in rendered.container_of("worker")["volumeMounts"]
    assert volume not in rendered.pod_of("ps")["volumes"]


def test_program_files_are_mounted_where_the_program_starts() -> None:
    container = render(merged(PROGRAM, {"program": {"files": {"train.py": "x"}}})).container_of("chief")
    assert container["workingDir"] == "/app"
    assert {"name": "program", "mountPath": "/app", "readOnly": True} in container["volumeMounts"]
    elsewhere = render(merged(PROGRAM, {"program": {"files": {"a": "x"}, "workingDir": "/src"}})).container_of("chief")
    assert elsewhere["workingDir"] == "/src"
    in_image = render(PROGRAM).container_of("chief")
    assert "workingDir" not in in_image
    removed = render(merged(PROGRAM, {"program": {"files": {"train.py": None}}}))
    assert removed.container_of("chief") == in_image
    assert "digits-program" not in [one["metadata"]["name"] for one in removed.all("ConfigMap")]


def test_program_files_can_be_run() -> None:
    pod = render(merged(PROGRAM, {"program": {"existingConfigMap": "mine"}})).pod_of("chief")
    assert {"name": "program", "configMap": {"name": "mine", "defaultMode": 0o555}} in pod["volumes"]


def test_checkpoints_are_mounted_in_every_pod() -> None:
    rendered = render(
        merged(PROGRAM, {"checkpoint": {"mountPath": "/models/", "existingClaim": "c", "directory": "a/b"}})
    )
    for role in ("chief", "worker", "ps"):
        assert {"name": "checkpoints", "mountPath": "/models/"} in rendered.container_of(role)["volumeMounts"]
        assert {"name": "checkpoints", "persistentVolumeClaim": {"claimName": "c"}} in rendered.pod_of(role)["volumes"]
    assert rendered.job_spec()["checkpointDir"] == "/models/a/b"


def test_data_volumes() -> None:
    data = {
        "digits": {"mountPath": "/data/digits", "existingClaim": "datasets", "subPath": "digits", "env": "DIGITS"},
        "scratch": {"mountPath": "/scratch", "volume": {"emptyDir": {"sizeLimit": "1Gi"}}, "readOnly": False},
        "gone": None,
    }
    rendered = render(merged(PROGRAM, {"data": data}))
    container, pod = rendered.container_of("ps"), rendered.pod_of("ps")
    assert container["volumeMounts"][-2:] == [
        {"name": "data-digits", "mountPath": "/data/digits", "readOnly": True, "subPath": "digits"},
        {"name": "data-scratch", "mountPath": "/scratch", "readOnly": False},
    ]
    assert pod["volumes"][-2:] == [
        {"name": "data-digits", "persistentVolumeClaim": {"claimName": "datasets"}},
        {"name": "data-scratch", "emptyDir": {"sizeLimit": "1Gi"}},
    ]
    assert {"name": "DIGITS", "value": "/data/digits"} in container["env"]


def test_large_numbers_stay_whole() -> None:
    """Helm holds numbers of values files as floats, which it prints as 1e+09."""
    values = {
        "podSecurityContext": {"runAsUser": 1000650000},
        "deadlines": {"activeSeconds": 31536000},
        "run": 20240501,
    }
    rendered = render(merged(PROGRAM, values, {"terminationGracePeriodSeconds": 1000000}))
    assert rendered.pod_of("ps")["securityContext"]["runAsUser"] == 1000650000
    assert rendered.pod_of("ps")["terminationGracePeriodSeconds"] == 1000000
    assert "--grace=1000000" in rendered.container_of("ps")["command"]
    assert rendered.job_spec()["deadlines"]["activeSeconds"] == 31536000
    assert "--set run=20240502" in rendered.notes


def test_the_lifecycle_pod_has_its_own_settings() -> None:
    lifecycle = {
        "image": {"registry": "r.example.com", "tag": "3.12"},
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "a"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "resources": {"limits": {"memory": "256Mi"}},
    }
    rendered = render(
        merged(PROGRAM, {"lifecycle": lifecycle, "nodeSelector": {"pool": "gpu"}, "imagePullSecrets": [{"name": "s"}]})
    )
    pod = rendered.lifecycle()
    container = pod["containers"][0]
    assert container["image"] == "r.example.com/python:3.12"
    assert container["resources"]["limits"] == {"memory": "256Mi"}
    assert pod["imagePullSecrets"] == [{"name": "s"}]
    assert {key: pod[key] for key in ("nodeSelector", "tolerations", "affinity", "priorityClassName")} == {
        key: lifecycle[key] for key in ("nodeSelector", "tolerations", "affinity", "priorityClassName")
    }
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
