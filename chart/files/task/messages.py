"""First words of a termination message, by which a task tells the lifecycle how it ended. Python 3.6."""

STOPPED = "stopped:"  # it was asked to end by SIGTERM
SERVED = "served:"  # a built-in server that had been ready
REACHED = "reached:"  # a program that exited 0: its last progress follows
USED = "used:"  # the last line of a message of PID 1: what the container used

CLAIMS = (STOPPED, SERVED, REACHED)  # words of PID 1 that mean something; the program can write them, too

# The last words in the log of a program that failed soon after its start. Kubernetes makes the end of the log the
# message.
WORKED = "it had saved or reported something before it failed"
SOON_SECONDS = 60  # after its start a program that fails has not come far
