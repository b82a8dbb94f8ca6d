"""`python -m tfconfig`."""

from tfconfig.cli import main

main(prog_name="tfconfig")
