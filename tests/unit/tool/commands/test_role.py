"""The prepared account has the permissions of the chart's own Role, on all names."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.chart.helm import render
from tfconfig.cluster.rights import manifests
from tfconfig.commands.role import command


def permissions(role: dict[str, Any]) -> set[tuple[str, str, str]]:
    """(group, resource, verb) of every rule, whatever names it is limited to."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_account_has_the_permissions_of_the_charts_role_and_no_more() -> None:
    rendered = render({"program": {"command": ["python3", "train.py"]}}).one("Role")
    (printed,) = [item for item in manifests("tensorflow-job", "team") if item["kind"] == "Role"]
    assert permissions(printed) == permissions(rendered)


@pytest.mark.parametrize("options", [("-n", "Bad NS"), ("-n", "team", "--name", "a_b"), ("-n", "x" * 64)])
def test_a_name_that_no_object_can_have_is_a_usage_error(options: tuple[str, ...]) -> None:
    done = CliRunner().invoke(command, options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{options[-1]!r} is not a name of at most" in done.stderr


def test_the_command_prints_objects_that_belong_together() -> None:
    done = CliRunner().invoke(command, ["-n", "team", "--name", "trainer"])
    assert done.exit_code == 0
    account, role, binding, policy, policy_binding = yaml.safe_load_all(done.stdout)
    assert {item["metadata"]["namespace"] for item in (account, role, binding)} == {"team"}
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "trainer"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "trainer", "namespace": "team"}]
    assert policy_binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}
    (condition,) = policy["spec"]["matchConditions"]
    assert condition["expression"] == "request.userInfo.username == 'system:serviceaccount:team:trainer'"


def test_the_policy_covers_whatever_the_account_may_change() -> None:
    """Events aside, which it creates: they name no object of another."""
    objects = manifests("tensorflow-job", "team")
    (role,) = [item for item in objects if item["kind"] == "Role"]
    (policy,) = [item for item in objects if item["kind"] == "ValidatingAdmissionPolicy"]
    changes = {"patch": "UPDATE", "delete": "DELETE"}
    granted = {
        (group, resource, changes[verb])
        for group, resource, verb in permissions(role)
        if verb not in ("get", "list", "watch", "create")
    }
    matched = {
        (group, resource, operation)
        for rule in policy["spec"]["matchConstraints"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for operation in rule["operations"]
    }
    assert matched == granted
    assert all(rule["message"].endswith("by this account") for rule in policy["spec"]["validations"])
