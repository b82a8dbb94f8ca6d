"""Build, start and stop a real Kubernetes cluster on this machine; README.md beside this file tells how."""
