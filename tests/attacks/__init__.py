"""Attacks: one file a threat, each test an attempt that must fail."""
