"""Attacks on what SECURITY.md promises, one file a threat. Each is refused, held to its place, or reported."""
