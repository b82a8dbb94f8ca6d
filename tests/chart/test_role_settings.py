"""Settings of a role over those at the top."""

from __future__ import annotations

from typing import Any

import pytest

from .helm import PROGRAM, Values, merged, render


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


def test_zero_and_empty_values_of_a_role_override_those_at_the_top() -> None:
    values = {
        "unreachableTolerationSeconds": 60,
        "resources": {"limits": {"memory": "1Gi"}},
        "tolerations": [{"key": "a"}],
        "worker": {"unreachableTolerationSeconds": 0, "resources": {}, "tolerations": []},
    }
    rendered = render(merged(PROGRAM, values))
    assert [item["tolerationSeconds"] for item in rendered.pod_of("worker")["tolerations"]] == [0, 0]
    assert not rendered.container_of("worker")["resources"]
    assert [item.get("tolerationSeconds") for item in rendered.pod_of("ps")["tolerations"]] == [None, 60, 60]
