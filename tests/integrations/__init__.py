"""The tool where it is used: overlays, a platform team's chart, and the hooks and actions of CIs."""
