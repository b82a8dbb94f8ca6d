"""`tfconfig tensorboard RELEASE`: TensorBoard of a job, on this machine."""

from __future__ import annotations

import sys

import click

from tfconfig.cluster import jobs
from tfconfig.cluster import release as releases
from tfconfig.cluster.errors import ClusterError, NotFoundError
from tfconfig.cluster.helm import HelmError
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.cluster.port_forward import forward
from tfconfig.commands import cluster_options
from tfconfig.tensorflow_job.task.names import tensorboard_name


@click.command("tensorboard")
@click.argument("release", metavar="RELEASE")
@cluster_options.cluster
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=6006,
    show_default=True,
    help="Port of this machine; 0: a free one.",
)
def command(release: str, namespace: str | None, context: str | None, port: int) -> None:
    """Show TensorBoard of a job: kubectl port-forward to it, and its address, until Ctrl-C.

    The job needs tensorboard.enabled. Needs permission to get services, and to create pods/portforward.

    Exit status: 0 the connection has ended, 2 usage error, no such job or TensorBoard, or the cluster does not answer,
    130 interrupted.
    """
    kubectl = Kubectl(namespace, context)
    job = jobs.find_one(kubectl, release)
    name = tensorboard_name(job)
    try:
        kubectl.get(kubectl.path("services", name))
    except NotFoundError:
        raise ClusterError(f"job {job} has no TensorBoard; {_advice(kubectl, context, job)}") from None
    shown = f"TensorBoard of {job}: http://localhost:{{}} (Ctrl-C to end)"
    sys.exit(forward(kubectl, f"service/{name}", port, lambda local: click.echo(shown.format(local))))


def _advice(kubectl: Kubectl, context: str | None, job: str) -> str:
    """What switches it on: the line for a shell, where the release and its chart are known."""
    try:
        target = releases.upgradable(kubectl, context, job, None, "")
    except (HelmError, ClusterError) as error:
        return f"set tensorboard.enabled=true in an upgrade of its release ({error.message})"
    return f"to switch it on: {target.line('tensorboard.enabled', 'true')}"
