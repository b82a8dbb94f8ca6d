"""One task of a tensorflow-job: standard library only and Python 3.6, because it runs in the user's image."""
