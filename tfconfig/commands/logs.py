"""`tfconfig logs`: what the tasks of a job print, in one stream."""

from __future__ import annotations

import sys
import time

import click

from tfconfig import terminal
from tfconfig.cluster import job_text, job_watch, jobs, log_follow
from tfconfig.cluster.job_objects import training_pods
from tfconfig.cluster.job_view import JobView, view
from tfconfig.cluster.kubectl import Kubectl
from tfconfig.cluster.log_lines import LIFECYCLE, LinePrinter, merged_with_times
from tfconfig.cluster.task_logs import log_query, print_logs, select_tasks
from tfconfig.commands import cluster_options, options
from tfconfig.tensorflow_job.task import job_spec

MAX_TASKS = 50  # each is a kubectl and a connection


@click.command("logs")
@click.argument("release", metavar="RELEASE")
@cluster_options.cluster
@click.option("-f", "--follow", is_flag=True, help="Follow the logs until the job ends, through restarts and new pods.")
@click.option("--task", "names", multiple=True, metavar="TASK", help="Only this task or role: worker-3, ps.")
@click.option(
    "--since", callback=cluster_options.duration, metavar="DURATION", help="Only lines newer than 90s, 10m, 1h30m."
)
@click.option("--tail", type=click.IntRange(0), metavar="LINES", help="Only the last lines of each task.")
@click.option("--raw", is_flag=True, help="Print lines as they are; default: control characters escaped.")
@click.option("--timestamps", is_flag=True, help="Put the time of each line before it.")
@options.output("text", "json", text="json: an object a line, with task, time and line.")
@click.option("--previous", is_flag=True, help="Show the containers before the last restart.")
def command(
    release: str,
    namespace: str | None,
    context: str | None,
    follow: bool,
    names: tuple[str, ...],
    since: float | None,
    tail: int | None,
    raw: bool,
    timestamps: bool,
    form: str,
    previous: bool,
) -> None:
    """Print the logs of a job's tasks, each line after the name of its task.

    Once the job has ended and its pods are deleted, this is the log of its lifecycle, which ends with the outcome and
    the last lines of the deciding task. Needs permission to get pods/log, besides what tfconfig status needs.

    Exit status: 0 printed, whatever the job does, 2 usage error, no such job, or the cluster does not answer, 130
    interrupted.
    """
    if follow and previous:
        raise click.UsageError("--previous is for containers that have ended; leave out --follow")
    kubectl = Kubectl(namespace, context)
    job = jobs.find_one(kubectl, release)
    objects = jobs.snapshot(kubectl, job)
    shown = view(objects, time.time())
    try:
        tasks = select_tasks(job_spec.tasks(objects.job_spec) if objects.job_spec else [], names)
    except ValueError as error:
        raise click.UsageError(f"--task {error}") from None
    if len(tasks) > MAX_TASKS:
        raise click.UsageError(f"job {job} has {len(tasks)} tasks; choose at most {MAX_TASKS}: --task worker-0")
    query = log_query(since, tail)
    colour = terminal.colour_wanted(sys.stdout)
    printer = LinePrinter([job_spec.name(task) for task in tasks], sys.stdout, colour, raw, timestamps, form == "json")
    all_pods = training_pods(job, objects.pods)
    pods = {task: all_pods[task] for task in tasks if task in all_pods}
    if follow and not shown.over:
        with job_watch.watch(kubectl, job) as watch:
            ended = log_follow.follow(watch, tasks, query, printer, cluster_options.report)
        if ended:
            _report_end(ended)
    elif pods:
        query = {**query, "previous": "true"} if previous else query
        print_logs(kubectl, pods, query, printer, cluster_options.report)
    elif shown.over:
        of_pod = {key: value for key, value in query.items() if key != "container"}
        for when, name, line in merged_with_times({LIFECYCLE: jobs.lifecycle_log(kubectl, objects, **of_pod)}):
            printer.line(name, line, when)
        _report_end(shown)
    else:
        click.echo(f"no pod of {job} yet: {shown.message}; --follow waits for them", err=True)
    if printer.broken:
        terminal.discard(sys.stdout)


def _report_end(ended: JobView) -> None:
    click.echo(job_text.outcome(ended), err=True)
    if where := job_text.kept_logs(ended):
        click.echo(where, err=True)
