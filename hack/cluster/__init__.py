"""Build, start and stop a real Kubernetes cluster on this machine; see README.md."""
