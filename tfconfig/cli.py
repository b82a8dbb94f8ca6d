"""The command line. The module of a command is imported only when the command is used."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from tfconfig import __version__
from tfconfig.terminal import INTERRUPTED, discard, escape_unknown

EXIT_STATUS = "Exit status: 0 no errors, 1 errors found, 2 usage error."
EXIT_STATUS_WITHOUT_VALUES = "Exit status: 0 success, 2 usage error."
# name -> its help in the list of commands; the click command is `command` in tfconfig/commands/<name>.py
COMMANDS = {
    "init": "Write a values file to start from.",
    "convert": "Write the values of a TFJob.",
    "validate": "Check values files, without a cluster.",
    "explain": "Explain a rule.",
    "plan": "Print what a job will ask of the cluster.",
    "run": "Run a job on this machine, as local processes.",
    "generate": "Print the TF_CONFIG of each task.",
    "doctor": "Check a cluster before installing a job.",
    "status": "Show the status of a job.",
    "runs": "Compare the runs of a job.",
    "report": "Write an HTML page about the runs of a job.",
    "logs": "Print the logs of a job's tasks.",
    "wait": "Wait for the end of a job, and exit as it did.",
    "suspend": "Suspend a job: delete its pods until it is resumed.",
    "resume": "Resume a suspended job from its last checkpoint.",
    "rerun": "Run a job again.",
    "cancel": "Cancel a job: uninstall its release.",
    "prune": "Uninstall the releases of jobs that ended long ago.",
    "tensorboard": "Show TensorBoard of a job.",
    "schema": "Print the JSON Schema of a values file.",
    "role": "Print the RBAC objects for users who cannot create Roles.",
    "chart": "Print the directory of the Helm chart, or export it.",
    "completion": "Print the shell completion script.",
}
WRITE_FILES = ("init", "convert")  # maybe to standard output, where an escaped character would be another value
# What other tools call them -> the command here
SYNONYMS = {
    "history": "runs",
    "list": "status",
    "get": "status",
    "describe": "status",
    "ps": "status",
    "check": "validate",
    "lint": "validate",
    "stop": "suspend",
    "pause": "suspend",
    "delete": "cancel",
    "uninstall": "cancel",
    "clean": "prune",
    "cleanup": "prune",
    "restart": "rerun",
    "new": "init",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"tfconfig.commands.{cmd_name}").command
        command.short_help = COMMANDS[cmd_name]
        if not command.epilog and "Exit status:" not in (command.help or ""):  # some have statuses of their own
            reads_values = any(parameter.name == "files" for parameter in command.params)
            command.epilog = EXIT_STATUS if reads_values else EXIT_STATUS_WITHOUT_VALUES
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.Abort, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        except OSError as error:
            if error.filename or isinstance(error, BrokenPipeError):
                raise
            discard(sys.stdout)
            why = error.strerror or error
            raise click.UsageError(f"standard output: {why}; what is written is incomplete") from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            name, command, rest = super().resolve_command(ctx, args)
            if name not in WRITE_FILES:
                escape_unknown(sys.stdout)
            return name, command, rest
        except click.UsageError:
            import difflib  # here, because it takes time to load

            near = (name for known in (COMMANDS, SYNONYMS) for name in difflib.get_close_matches(args[0], known, 1))
            name = SYNONYMS.get(args[0]) or next(near, "")
            if args[0].startswith("-") or not name:
                raise
            name = SYNONYMS.get(name, name)
            raise click.UsageError(f"no command {args[0]}; did you mean {name}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tfconfig", message="%(prog)s %(version)s")
def main() -> None:
    """Distributed TensorFlow jobs from one values file: check them, predict them, run them."""
