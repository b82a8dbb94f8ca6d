"""podSpec and container: what the user adds to a training pod and its container."""

from __future__ import annotations

from typing import Any

import pytest

from tfconfig.checking.rules.pod_spec import OWN_FIELDS

from . import helm
from .helm import PROGRAM, RefusedError, Values, merged, render
from .kubernetes import NEWEST, assert_valid

POD: Values = {
    "serviceAccountName": "trainer",
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["store"]}],
    "dnsPolicy": "ClusterFirst",
    "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
    "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}],
    "schedulingGates": [{"name": "example.com/quota"}],
}
CONTAINER: Values = {
    "lifecycle": {"preStop": {"exec": {"command": ["sync"]}}},
    "livenessProbe": {"exec": {"command": ["true"]}},
    "startupProbe": {"tcpSocket": {"port": 2222}},
    "readinessProbe": {"tcpSocket": {"port": 2222}},
}


def test_pods_get_what_the_chart_has_no_value_for() -> None:
    rendered = render(merged(PROGRAM, {"podSpec": POD, "container": CONTAINER}))
    for item in rendered.all("StatefulSet"):
        assert_valid(item, NEWEST)
    for role in ("chief", "worker", "ps"):
        assert rendered.pod_of(role).items() >= POD.items()
        assert rendered.container_of(role).items() >= CONTAINER.items()


def test_maps_are_merged_and_lists_appended_and_a_role_adds_its_own() -> None:
    plain = render(PROGRAM)
    top: Values = {
        "podSpec": {
            "securityContext": {"runAsUser": 5},
            "tolerations": [{"key": "a"}],
            "hostAliases": [{"ip": "1.1.1.1"}],
        },
        "container": {"securityContext": {"privileged": None, "capabilities": {"add": ["IPC_LOCK"]}}},
    }
    own: Values = {"podSpec": {"hostAliases": [{"ip": "2.2.2.2"}]}, "container": {"tty": True}}
    rendered = render(merged(PROGRAM, top, {"worker": own}))
    pod, before = rendered.pod_of("worker"), plain.pod_of("worker")
    assert pod["securityContext"] == {**before["securityContext"], "runAsUser": 5}
    assert pod["tolerations"] == [*before["tolerations"], {"key": "a"}]
    assert [item["ip"] for item in pod["hostAliases"]] == ["1.1.1.1", "2.2.2.2"]
    assert [item["ip"] for item in rendered.pod_of("ps")["hostAliases"]] == ["1.1.1.1"]
    container = rendered.container_of("worker")
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["IPC_LOCK"]}
    assert container["tty"]
    assert "tty" not in rendered.container_of("ps")


@pytest.mark.parametrize("name", helm.ci_values())
def test_what_is_empty_changes_nothing(name: str) -> None:
    values = helm.ci_values()[name]
    empty: Values = {"podSpec": {"hostAliases": []}, "container": {"livenessProbe": {}}}
    with_more, without = render(merged(values, empty)), helm.rendered_ci(name)

    def pods(rendered: helm.Rendered) -> list[Any]:
        specs = [item["spec"]["template"]["spec"] for item in rendered.all("StatefulSet")]
        for spec in specs:
            spec.pop("hostAliases", None)
            for container in spec["containers"]:
                container.pop("livenessProbe", None)
                container["command"] = [word for word in container.get("command", ()) if "--run-id" not in word]
        return specs

    assert pods(with_more) == pods(without)


def test_every_field_that_the_chart_needs_is_refused_by_name() -> None:
    every = {part: dict.fromkeys(fields, "x") for part, fields in OWN_FIELDS.items()}
    with pytest.raises(RefusedError) as refused:
        render(merged(PROGRAM, every, {"ps": every}))
    lines = {line.removeprefix("  - ") for line in str(refused.value).splitlines() if line.startswith("  - ")}
    assert lines == {
        f"{where}{part}.{field}: not supported; {fix}"
        for where in ("", "ps.")
        for part, fields in OWN_FIELDS.items()
        for field, fix in fields.items()
    }


def test_a_token_for_another_service_is_not_one_for_the_api() -> None:
    token = {"serviceAccountToken": {"path": "token", "audience": "sts.example.com"}}
    volume = {"name": "identity", "projected": {"sources": [token]}}
    rendered = render(
        merged(
            PROGRAM, {"podSpec": {"volumes": [volume]}, "extraVolumeMounts": [{"name": "identity", "mountPath": "/i"}]}
        )
    )
    assert volume in rendered.pod_of("worker")["volumes"]
    assert rendered.pod_of("worker")["automountServiceAccountToken"] is False
