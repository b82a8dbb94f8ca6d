"""First words of a termination message, by which a task tells the lifecycle how it ended. Python 3.6."""

STOPPED = "stopped:"  # it was asked to end by SIGTERM
SERVED = "served:"  # a built-in server that had been ready
REACHED = "reached:"  # a program that exited 0: its last progress follows
