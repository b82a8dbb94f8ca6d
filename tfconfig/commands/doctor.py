"""`tfconfig doctor`: check a cluster before a job is installed. Nothing is changed there but by a probe on request."""

from __future__ import annotations

import json

import click

from tfconfig import terminal
from tfconfig.cluster import helm, network_probe
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.cluster.preflight import versions
from tfconfig.cluster.preflight.check import ERROR, OK, document, table
from tfconfig.cluster.preflight.examine import Examination
from tfconfig.cluster.preflight.owners import complete, lifecycle_pod
from tfconfig.cluster.rights import INSTALLER_VERBS
from tfconfig.commands import cluster_options, options
from tfconfig.values.chart import Chart, bundled
from tfconfig.values.set_flags import SetFlags


@click.command("doctor")
@options.job_values
@click.option(
    "--release", default=options.DEFAULT_RELEASE, show_default=True, metavar="NAME", help="Name to install it under."
)
@click.option(
    "--probe-network",
    is_flag=True,
    help="Find out whether anything enforces NetworkPolicies: run two small pods under one, and delete them again.",
)
@cluster_options.cluster
@options.chart
@options.output("table", "json")
def command(
    files: tuple[str, ...],
    sets: SetFlags,
    release: str,
    probe_network: bool,
    namespace: str | None,
    context: str | None,
    chart: Chart | None,
    alias: str,
    form: str,
) -> None:
    """Check a cluster before installing a job: versions, permissions, admission, quota, storage, nodes.

    The API server gets the objects and pods of the job as a dry run, so nothing is created. Every request is made with
    your own permissions; a check that needs more is reported as unknown.

    Only --probe-network creates something: two pods of the lifecycle's image and a NetworkPolicy, for less than a
    minute. It needs permission to create, get and delete pods, and to create and delete networkpolicies.

    Exit status: 0 no errors, 1 errors found, 2 usage error, or the cluster does not answer.
    """
    if "-" in files:
        raise click.UsageError("helm reads the values too, so standard input cannot be used; write them to a file")
    values = options.load_valid(files, sets, release, chart, alias, installs=True)
    required = values.chart.metadata["kubeVersion"]
    kubectl = Kubectl(namespace, context)
    kubernetes = kubectl.version()
    checks = [versions.kubernetes_version(kubernetes, required), versions.helm_version(helm.version())]
    if all(check.result == OK for check in checks):
        root, kube_version = (chart or bundled()).root, "{}.{}.0".format(*versions.numbers(kubernetes))
        arguments = [*(f"--values={file}" for file in files), *sets.arguments()]
        objects = complete(helm.template(release, kubectl.namespace, root, kube_version, arguments))
        checks += Examination(kubectl, values.job_release(release), objects, INSTALLER_VERBS).run()
        if probe_network and not any(check.check == "namespace" and check.result == ERROR for check in checks):
            checks.append(network_probe.probe(kubectl, lifecycle_pod(objects, kubectl.namespace)))
    if form == "json":
        click.echo(json.dumps(document(checks), indent=2))
    else:
        click.echo("\n".join(table(checks, terminal.width())))
    if any(check.result == ERROR for check in checks):
        click.get_current_context().exit(1)
