"""Tests of the lifecycle in a cluster, against an API server of their own."""
