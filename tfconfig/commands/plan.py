"""`tfconfig plan`: what a job will ask of the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from tfconfig.cluster.resources import plan
from tfconfig.commands import cluster_options, options
from tfconfig.values.chart import Chart
from tfconfig.values.pod_amounts import Amounts
from tfconfig.values.set_flags import SetFlags


@click.command("plan")
@options.job_values
@options.release_name
@options.chart
@click.option(
    "--measured", metavar="RELEASE", help="Propose requests by what the tasks of this job on the cluster used."
)
@cluster_options.cluster
@options.output("text", "json")
def command(
    files: tuple[str, ...],
    sets: SetFlags,
    release: str,
    chart: Chart | None,
    alias: str,
    measured: str | None,
    namespace: str | None,
    context: str | None,
    form: str,
) -> None:
    """Print what a job will ask of the cluster: pods and their resources, claims, ports, objects, permissions.

    With --measured also the requests that follow from what a job used that ran, or runs, there: a fifth more than the
    most of any task of the role, in its newest run of which that is known. It needs permission to get configmaps.
    """
    document = plan(options.load_valid(files, sets, release, chart, alias), release)
    if measured is not None:
        document["measured"] = _measured(measured, namespace, context)
    click.echo(json.dumps(document, indent=2, default=str) if form == "json" else "\n".join(_text(document)))


def _measured(release: str, namespace: str | None, context: str | None) -> dict[str, dict[str, Any]]:
    from tfconfig.cluster import jobs  # a plan that asks no cluster starts sooner without them
    from tfconfig.cluster.kubectl import Kubectl
    from tfconfig.cluster.measured import proposals
    from tfconfig.records.run_records import runs
    from tfconfig.tensorflow_job.lifecycle.usage import load
    from tfconfig.tensorflow_job.task.job_spec import parse_name

    kubectl = Kubectl(namespace, context)
    status = jobs.read_status(kubectl, jobs.find_one(kubectl, release))
    for run in reversed(runs(status) if status else []):  # of one that has just begun nothing is known
        proposed = proposals({parse_name(task): load(used) for task, used in run.usage.items()})
        if proposed:
            return proposed
    return {}


def _text(document: Mapping[str, Any]) -> list[str]:
    suspended = ", suspended: no training pod until suspend is false" if document["suspended"] else ""
    return [
        f"{document['name']}: {document['strategy']}{suspended}",
        "",
        *_pods(document["pods"], document["total"]),
        *(_proposed(document["measured"]) if "measured" in document else []),
        "",
        "Claims:",
        *(f"  {_claim(claim)}" for claim in document["claims"]),
        *([] if document["claims"] else ["  none: checkpoints are off"]),
        "",
        "Ports:",
        *(_port(port) for port in document["ports"]),
        "",
        "Objects:",
        *_by_kind(document["objects"]),
        *([f"  extraObjects: {', '.join(document['extraObjects'])}"] if document["extraObjects"] else []),
        "",
        *_permissions(document["permissions"]),
    ]


def _pods(pods: Mapping[str, Any], total: Mapping[str, Any]) -> list[str]:
    resources = list(dict.fromkeys(["cpu", "memory", *total["requests"], *total["limits"]]))
    rows = [["", "pods", "runs", *resources]]
    rows += [[name, str(pod["count"]), pod["runs"], *_cells(pod["requests"], resources)] for name, pod in pods.items()]
    rows.append(["total", str(total["pods"]), "", *_cells(total["requests"], resources)])
    rows.append(["limits", "", "", *_cells(total["limits"], resources)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["Requests of one pod, and of all together:"]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        lines.append(f"  {'  '.join(cells).rstrip()}")
    if total["claimedDevices"] or total["unknownClaims"]:
        more = f", and those of other claims: {total['unknownClaims']}" if total["unknownClaims"] else ""
        lines.append(f"  devices by resource claims: {total['claimedDevices']}{more}")
    unbounded = [name for name, pod in pods.items() if not {"cpu", "memory"} <= set(pod["requests"])]
    if unbounded:
        lines.append(f"  No cpu or memory is requested by {', '.join(unbounded)}: the scheduler may put them on any")
        lines.append("  node, and a namespace with a quota refuses them; set resources.requests.")
    return lines


def _proposed(measured: Mapping[str, Any]) -> list[str]:
    if not measured:
        return ["", "Requests by what was used: nothing is known of a task that ran for a minute."]
    lines = ["", "Requests by what was used, with a fifth more; set them as ROLE.resources.requests:"]
    for role, proposal in measured.items():
        requests = ", ".join(f"{resource}: {amount}" for resource, amount in proposal["requests"].items())
        most = "; ".join(f"{resource}: {text}" for resource, text in proposal["most"].items())
        lines.append(f"  {role}: {{{requests}}}  (most {most})")
    return lines


def _cells(amounts: Amounts, resources: Sequence[str]) -> list[str]:
    return [amounts[name].short() if name in amounts else "-" for name in resources]


def _claim(claim: Mapping[str, Any]) -> str:
    if not claim["created"]:
        return f"{claim['name']} for {claim['usedFor']}: must exist"
    storage = {None: "the default storage class", "": "no storage class"}.get(
        claim["storageClassName"], f"storage class {claim['storageClassName']}"
    )
    uninstall = "kept on uninstall" if claim["keep"] else "deleted on uninstall, with its checkpoints"
    modes = "+".join(claim["accessModes"])
    return f"{claim['name']} for {claim['usedFor']}: {claim['size']}, {modes}, {storage}, {uninstall}"


def _port(port: Mapping[str, Any]) -> str:
    source = "the job's own pods" if port["from"] == "job" else "everyone"
    return f"  {port['port']}/{port['protocol']} of Service {port['service']}, open to {source}"


def _by_kind(objects: Iterable[Mapping[str, str]]) -> list[str]:
    names: dict[str, list[str]] = {}
    for item in objects:
        names.setdefault(item["kind"], []).append(item["name"])
    return [f"  {kind}: {', '.join(of_kind)}" for kind, of_kind in names.items()]


def _permissions(permissions: Mapping[str, Any]) -> list[str]:
    installer, lifecycle = permissions["installer"], permissions["lifecycle"]
    lines = ["Permissions:", f"  installer: {', '.join(installer['verbs'])} of {', '.join(installer['kinds'])}"]
    if installer["createsRole"]:
        lines.append("    and those of the lifecycle, which only their owners can grant; otherwise see `tfconfig role`")
    if installer["otherNamespaces"]:
        lines.append(f"    of extraObjects also in the namespaces {', '.join(installer['otherNamespaces'])}")
    if installer["lookup"]:
        lines.append("    and to read whatever the templates of extraObjects look up")
    lines.append(f"  lifecycle (service account {lifecycle['serviceAccount']}), in the job's namespace:")
    lines += [f"    {', '.join(rule['verbs'])} of {', '.join(rule['resources'])}" for rule in lifecycle["rules"]]
    if installer["createsRole"]:
        lines.append("    (changes are limited to the job's own objects by name)")
    return [*lines, "  training pods: none"]
