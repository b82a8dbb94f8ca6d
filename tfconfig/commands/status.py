"""`tfconfig status`: one job with its tasks, or all jobs of a namespace."""

from __future__ import annotations

import json
import sys
import time

import click
import yaml

from tfconfig import terminal
from tfconfig.cluster import job_text, job_watch, jobs, status_watch
from tfconfig.cluster.job_json import job_document, job_list_document
from tfconfig.cluster.job_objects import JobObjects
from tfconfig.cluster.job_view import view
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.commands import cluster_options, options


@click.command("status")
@click.argument("release", required=False, metavar="[RELEASE]")
@cluster_options.cluster
@click.option("-A", "--all-namespaces", is_flag=True, help="List the jobs of all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Show every change until the job has ended.")
@click.option(
    "-l", "--selector", default="", metavar="SELECTOR", help="List the jobs with these labels, as kubectl takes them."
)
@options.output("table", "wide", "name", "json", "yaml")
def command(
    release: str | None,
    namespace: str | None,
    context: str | None,
    all_namespaces: bool,
    watch: bool,
    selector: str,
    form: str,
) -> None:
    """Show the status of a job: its phase and the reason, progress, failures, and its tasks.

    RELEASE is the name of the Helm release; where that has several jobs, the name of one of them. Without RELEASE: all
    jobs of the namespace, one line each. Needs permission to get, list and watch pods, configmaps and jobs.

    Exit status: 0 shown, whatever the job does, 2 usage error, no such job, or the cluster does not answer.
    """
    if watch and (release is None or form != "table"):
        raise click.UsageError("--watch needs one job and -o table: tfconfig status RELEASE --watch")
    if release is not None and all_namespaces:
        raise click.UsageError("--all-namespaces lists all jobs; leave out RELEASE, or use --namespace")
    if release is not None and selector:
        raise click.UsageError("--selector lists jobs; leave out RELEASE")
    kubectl = Kubectl(namespace, context)
    if release is None:
        _show_list(kubectl, "", all_namespaces, form, selector)
    elif watch:
        with job_watch.watch(kubectl, jobs.find_one(kubectl, release)) as job:
            status_watch.follow(job, sys.stdout)
    elif len(names := jobs.find(kubectl, release)) == 1:
        _show_job(kubectl, names[0], form)
    else:
        _show_list(kubectl, release, all_namespaces, form)


def _show_job(kubectl: Kubectl, job: str, form: str) -> None:
    now = time.time()
    shown = view(jobs.snapshot(kubectl, job), now)
    if form == "name":
        click.echo(job)
    elif form in ("table", "wide"):
        click.echo("\n".join(job_text.job(shown, now, terminal.width(), sys.stdout.isatty(), form == "wide")))
    else:
        _dump(job_document(shown), form)


def _show_list(kubectl: Kubectl, release: str, all_namespaces: bool, form: str, selector: str = "") -> None:
    now = time.time()
    views = [view(JobObjects(status), now) for status in jobs.statuses(kubectl, release, all_namespaces, selector)]
    if form == "name":
        click.echo("".join(f"{job.name}\n" for job in views), nl=False)
    elif form not in ("table", "wide"):
        _dump(job_list_document(views), form)
    elif views:
        width = terminal.list_width(sys.stdout)
        click.echo("\n".join(job_text.jobs(views, now, width, all_namespaces, form == "wide")))
    else:
        click.echo(f"no jobs in {'any namespace' if all_namespaces else f'namespace {kubectl.namespace}'}", err=True)


def _dump(document: object, form: str) -> None:
    click.echo(json.dumps(document, indent=2) if form == "json" else yaml.safe_dump(document, sort_keys=False).rstrip())
