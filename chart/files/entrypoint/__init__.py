"""The in-pod program of the tensorflow-job chart: standard library only, because it runs in the user's image."""
