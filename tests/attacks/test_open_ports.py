"""A pod of another job or namespace connects to the ports of a job: the network policies admit none of them."""

from __future__ import annotations

import pytest

from tests.chart.helm import PROGRAM, RefusedError, Values, merged, render

ALL: Values = {"tensorboard": {"enabled": True}, "metrics": {"enabled": True}}


def test_no_port_of_a_job_is_open_to_others_by_default() -> None:
    rendered = render(merged(PROGRAM, ALL))
    own = {"tensorflow-job/job": "digits"}.items()
    policies = rendered.all("NetworkPolicy")
    components = {item["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for item in policies}
    assert components == {"training", "lifecycle", "tensorboard"}
    for policy in policies:
        assert "Ingress" in policy["spec"]["policyTypes"]
        for rule in policy["spec"].get("ingress", ()):
            assert rule["from"], "a rule without peers admits everybody"
            assert all(own <= peer["podSelector"]["matchLabels"].items() for peer in rule["from"])


def test_with_egress_rules_programs_reach_each_other_and_dns_and_what_is_named() -> None:
    assert "egress" not in render(PROGRAM).one("NetworkPolicy")["spec"]
    named = [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443}]}]
    for rules in ([], named):
        policy = render(merged(PROGRAM, {"networkPolicy": {"egress": rules}})).one("NetworkPolicy")["spec"]
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        dns = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
        assert policy["egress"] == [{"to": [{"podSelector": policy["podSelector"]}]}, dns, *rules]


@pytest.mark.parametrize("label", ["tensorflow-job/job", "app.kubernetes.io/component"])
@pytest.mark.parametrize("where", ["podLabels", "worker.podLabels", "lifecycle.podLabels"])
def test_no_label_of_the_values_joins_another_job(label: str, where: str) -> None:
    values: Values = {label: "victim"}
    for key in reversed(where.split(".")):
        values = {key: values}
    with pytest.raises(RefusedError, match=f"{where}: {label} is set by the chart"):
        render(merged(PROGRAM, values))
