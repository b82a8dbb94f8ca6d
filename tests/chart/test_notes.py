"""What `helm install` prints at its end."""

from __future__ import annotations

import pytest

from .helm import PROGRAM, Values, merged, render

QUEUE = {"kueue.x-k8s.io/queue-name": "training"}  # Kueue may suspend the lifecycle Job


def notes(values: Values) -> str:
    return render(merged(PROGRAM, values), release="mnist", namespace="team").notes


def test_the_notes_give_the_next_commands() -> None:
    rendered = render(PROGRAM, release="mnist", namespace="team")
    job = rendered.one("Job")["metadata"]["name"]
    for command in (
        "1 chief, 2 worker, 1 ps; strategy ParameterServer; run " + rendered.job_spec()["runId"],
        "kubectl -n team get configmap mnist-status -o jsonpath='{.data.status\\.json}'",
        "tfconfig status -n team mnist",
        "tfconfig logs -f -n team mnist",
        "tfconfig wait -n team mnist",
        "kubectl -n team logs -f mnist-chief-0",
        f"kubectl -n team wait --for=jsonpath='{{.status.conditions[-1:].status}}'=True --timeout=24h job/{job}",
        f"kubectl -n team wait --for=condition=complete --timeout=10s job/{job}",
        "helm -n team upgrade mnist <chart> --reuse-values --set suspend=true",
        "helm -n team upgrade mnist <chart> --reuse-values --set run=2",
        "/blob/main/docs/gitops.md",
        "/checkpoints/mnist on claim mnist-checkpoints. A new run resumes from them",
        "kubectl -n team delete pvc mnist-checkpoints",
    ):
        assert command in rendered.notes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"suspend": True}, "It is suspended"),
        ({"podLabels": QUEUE}, "wait --for=jsonpath='{.spec.suspend}'=false"),
        ({"lifecycle": {"labels": QUEUE}}, "wait --for=jsonpath='{.spec.suspend}'=false"),
        ({"strategy": "MultiWorkerMirrored"}, "logs -f mnist-worker-0"),
        ({"run": 7}, "--set run=8"),
        ({"checkpoint": {"keep": False}}, "helm uninstall removes the claim and the checkpoints"),
        ({"checkpoint": {"enabled": False}}, "There is no checkpoint volume"),
        ({"networkPolicy": {"enabled": False}}, "WARNING: networkPolicy.enabled is false"),
        (
            {"cleanup": {"onSuccess": "Keep"}},
            "After success the pods stay until helm uninstall, but for those with GPUs",
        ),
        ({"cleanup": {"onSuccess": "KeepGPUs"}}, "After success the pods stay until helm uninstall, with their GPUs"),
    ],
)
def test_the_notes_mention_what_is_special(values: Values, expected: str) -> None:
    assert expected in notes(values)
    assert expected not in notes({})


def test_an_existing_claim_is_not_the_releases_to_keep_or_remove() -> None:
    text = notes({"checkpoint": {"existingClaim": "shared"}})
    assert "/checkpoints/mnist on claim shared" in text
    assert "uninstall" not in text
