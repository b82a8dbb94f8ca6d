"""tfconfig: check, predict and run distributed TensorFlow jobs that the Helm chart `tensorflow-job` installs."""

__version__ = "0.1.0"
__url__ = "https://github.com/OWNER/tfconfig"
