"""`tfconfig doctor`: check a cluster before a job is installed. Nothing is changed there."""

from __future__ import annotations

import json

import click
import yaml

from tfconfig import terminal
from tfconfig.cluster import helm
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.cluster.preflight import versions
from tfconfig.cluster.preflight.check import ERROR, OK, document, table
from tfconfig.cluster.preflight.examine import Examination
from tfconfig.cluster.rights import INSTALLER_VERBS
from tfconfig.commands import cluster_options, options
from tfconfig.values.chart import Chart, bundled
from tfconfig.values.set_flags import SetFlags


@click.command("doctor")
@options.values
@click.option(
    "--release", default=options.DEFAULT_RELEASE, show_default=True, metavar="NAME", help="Name to install it under."
)
@cluster_options.cluster
@options.chart
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Output format.",
)
def command(
    files: tuple[str, ...],
    sets: SetFlags,
    release: str,
    namespace: str | None,
    context: str | None,
    chart: Chart | None,
    alias: str,
    form: str,
) -> None:
    """Check a cluster before installing a job: versions, permissions, admission, quota, storage, GPUs.

    The API server gets the objects and pods of the job as a dry run, so nothing is created. Every request is made with
    your own permissions; a check that needs more is reported as unknown.

    Exit status: 0 no errors, 1 errors found, 2 usage error, or the cluster does not answer.
    """
    if "-" in files:
        raise click.UsageError("helm reads the values too, so standard input cannot be used; write them to a file")
    values = options.load_valid(files, sets, release, chart, alias)
    required = yaml.safe_load((values.chart.file("Chart.yaml") or b"").decode())["kubeVersion"]
    kubectl = Kubectl(namespace, context)
    kubernetes = kubectl.get("/version")["gitVersion"]
    checks = [versions.kubernetes_version(kubernetes, required), versions.helm_version(helm.version())]
    if all(check.result == OK for check in checks):
        root, kube_version = (chart or bundled()).root, "{}.{}.0".format(*versions.numbers(kubernetes))
        arguments = [*(f"--values={file}" for file in files), *sets.arguments()]
        objects = helm.template(release, kubectl.namespace, root, kube_version, arguments)
        checks += Examination(kubectl, values.job_release(release), objects, INSTALLER_VERBS).run()
    if form == "json":
        click.echo(json.dumps(document(checks), indent=2))
    else:
        click.echo("\n".join(table(checks, terminal.width())))
    if any(check.result == ERROR for check in checks):
        click.get_current_context().exit(1)
