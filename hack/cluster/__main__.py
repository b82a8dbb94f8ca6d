"""The command line of the kit: `python3 -m hack.cluster COMMAND`."""

from __future__ import annotations

import argparse
import shlex
import sys

from . import argocd, cluster, gang, kueue, nodes, policies, provisioner, training_operator
from .build import build_programs, lock
from .settings import KUBECONFIG, PROGRAMS
from .shell import KitError, say

# What is turned on and off: what does it, and what it is.
_SWITCHES = {
    "network-policies": ({"on": policies.on, "off": policies.off}, "enforce NetworkPolicies on all nodes"),
    "training-operator": (
        {"on": training_operator.on, "off": training_operator.off},
        "run Kubeflow's training operator for TFJobs",
    ),
    "argocd": ({"on": argocd.on, "off": argocd.off}, "run Argo CD"),
}


def main() -> int:
    """Carry out one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m hack.cluster", description="A real Kubernetes for tests.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start the cluster; builds and installs what is missing")
    up.add_argument("--nodes", type=int, default=1, choices=range(1, nodes.MAX_NODES + 1), metavar="N")
    commands.add_parser("down", help="stop the cluster and remove everything but the build cache")
    commands.add_parser("status", help="show what is running; exit status 0 if everything is, else 1")
    commands.add_parser("env", help="print the shell commands that point kubectl and helm to the cluster")
    build = commands.add_parser(
        "build", help="build programs without starting anything (default: all that the cluster needs)"
    )
    build.add_argument("modules", nargs="*", metavar="MODULE")
    for name, text in (
        ("cut-node", "disconnect a node from the network"),
        ("heal-node", "connect a node again"),
    ):
        commands.add_parser(name, help=text).add_argument("number", type=int)
    for name, (states, text) in _SWITCHES.items():
        commands.add_parser(name, help=f"{text}, or no more").add_argument("state", choices=states)
    switch = commands.add_parser("kueue", help="run Kueue, in a variant of its configuration, or no more")
    switch.add_argument("state", choices=[*kueue.VARIANTS, "off"])
    switch = commands.add_parser(
        "gang", help="restart Kubernetes with its own gang scheduling (ignored: by the scheduler)"
    )
    switch.add_argument("state", choices=gang.STATES)
    for name, text in (
        ("stop", "kill one process of the cluster"),
        ("start", "restart a process of the control plane"),
    ):
        commands.add_parser(name, help=text).add_argument("process")
    commands.add_parser("provisioner")
    arguments = parser.parse_args()
    try:
        return _carry_out(arguments)
    except KitError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _carry_out(arguments: argparse.Namespace) -> int:
    if arguments.command == "up":
        cluster.up(arguments.nodes)
    elif arguments.command == "down":
        cluster.down()
    elif arguments.command == "status":
        return 0 if cluster.status() else 1
    elif arguments.command == "env":
        print(f"export KUBECONFIG={shlex.quote(str(KUBECONFIG))}")
        print(f'export PATH={shlex.quote(str(PROGRAMS))}:"$PATH"')
    elif arguments.command == "build":
        with lock():
            build_programs(arguments.modules)
    elif arguments.command == "cut-node":
        nodes.cut(arguments.number)
    elif arguments.command == "heal-node":
        nodes.heal(arguments.number)
    elif arguments.command == "stop":
        cluster.stop_part(arguments.process)
    elif arguments.command == "start":
        cluster.start_part(arguments.process)
    elif arguments.command in _SWITCHES:
        states, _ = _SWITCHES[arguments.command]
        states[arguments.state]()
    elif arguments.command == "kueue":
        kueue.off() if arguments.state == "off" else kueue.on(arguments.state)
    elif arguments.command == "gang":
        cluster.switch_gang(arguments.state)
    elif arguments.command == "provisioner":
        provisioner.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
