"""Errors of local runs."""

from __future__ import annotations


class CannotRunError(Exception):
    """The job cannot run on this machine as asked: what is missing, and what to do."""
