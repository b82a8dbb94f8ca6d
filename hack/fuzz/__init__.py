"""Hostile input for whatever reads data from outside: a traceback, or a stall, is an error of ours."""
