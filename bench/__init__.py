"""What a job costs, from 10 to 5,000 tasks, measured beside TFJob; see README.md."""
