"""The lifecycle Job of the tensorflow-job chart: standard library only, Python 3.10."""
