"""`tfconfig explain ID`: what a rule is about, why it exists, and how to fix its errors."""

from __future__ import annotations

import click

from tfconfig.checking.rules import Rule, matching


@click.command("explain")
@click.argument("id", required=False, metavar="[ID]")
def command(id: str | None) -> None:
    """Explain a rule. Without ID, list all rules; with the start of an ID (TFC1), list the rules of that group."""
    rules = matching(id or "")
    if not rules:
        raise click.UsageError(f"{id}: no such rule; `tfconfig explain` lists all rules")
    click.echo(_page(rules[0]) if len(rules) == 1 and id else _list(rules))


def _list(rules: list[Rule]) -> str:
    return "\n".join(f"{rule.id}  {rule.severity:<7}  {rule.title}" for rule in rules)


def _page(rule: Rule) -> str:
    parts = [f"{rule.id} ({rule.severity}): {rule.title}", rule.why, rule.fix]
    if rule.chart:
        parts.append("`helm install` refuses it too.")
    for heading, example in (("Incorrect:", rule.bad), ("Correct:", rule.good)):
        if example:
            parts += [heading, "\n".join(f"    {line}" for line in example.rstrip().splitlines())]
    return "\n\n".join(parts)
