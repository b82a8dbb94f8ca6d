"""The tool as its users call it, against a real cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster.target import Target

from .conftest import Jobs
from .programs import ROOT

# The permissions to look at jobs.
LOOKS: list[dict[str, list[str]]] = [
    {"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
]


class Tool:
    """The tool as a program, in the namespace of the tests; with none given, it gets no option for it."""

    def __init__(self, target: Target, namespace: str, kubeconfig: Path | None = None) -> None:
        changes = {"PYTHONPATH": str(ROOT), "COLUMNS": "80", **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})}
        self.namespace, self.environ = namespace, {**target.environ, **changes}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The command, running; its standard output and standard error apart."""
        where = ["-n", self.namespace] if self.namespace else []
        command = [sys.executable, "-m", "tfconfig", *words, *where]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Its standard output and standard error, once it has ended with this exit status."""
        return ended(self.start(*words), code)

    def works(self, *words: str) -> bool:
        """Whether the command ends with 0."""
        process = self.start(*words)
        process.communicate()
        return process.returncode == 0


def ended(process: subprocess.Popen[str], code: int = 0, seconds: float = 60) -> tuple[str, str]:
    """The standard output and standard error of a command, once it has ended with this exit status."""
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        pytest.fail(f"{process.args!r} is still running:\n{output}\n{errors}")
    assert process.returncode == code, f"{process.args!r} ended with {process.returncode}:\n{output}\n{errors}"
    return output, errors


def as_account(jobs: Jobs, name: str, rules: list[dict[str, list[str]]], folder: Path) -> Tool:
    """The tool as run by a user who has only these permissions."""
    namespace = jobs.namespace
    namespace.create("serviceaccounts", {"metadata": {"name": name}})
    namespace.create("roles", {"metadata": {"name": name}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace.name}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    namespace.create("rolebindings", {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]})
    return logged_in(jobs, name, folder)


def logged_in(jobs: Jobs, account: str, folder: Path) -> Tool:
    """The tool as run by a service account of the namespace."""
    target, namespace = jobs.target, jobs.namespace.name
    token = target.run("kubectl", "create", "token", account, "-n", namespace).stdout.strip()
    view = target.run("kubectl", "config", "view", "--raw", "--flatten", "--minify", "-o", "json").stdout
    config = json.loads(view)
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    file = folder / f"{account}.json"
    file.write_text(json.dumps(config))
    return Tool(target, namespace, file)
