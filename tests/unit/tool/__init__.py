"""Tests of the tool apart from `tfconfig run`."""
