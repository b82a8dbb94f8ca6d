"""`tfconfig completion SHELL`: what makes the Tab key know the commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that completes tfconfig's commands and options in a shell.

    \b
    bash: eval "$(tfconfig completion bash)" in ~/.bashrc
    zsh:  eval "$(tfconfig completion zsh)" in ~/.zshrc, after compinit
    fish: tfconfig completion fish > ~/.config/fish/completions/tfconfig.fish
    """
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"{shell}: this click does not know it")
    root = click.get_current_context().find_root().command
    click.echo(made(root, {}, "tfconfig", "_TFCONFIG_COMPLETE").source())
