"""`tfconfig doctor`: what a cluster would refuse, found before an install. Nothing is changed there.

A module for each kind of check, pure: objects in, checks out. examine.py asks the cluster for those objects.
"""
