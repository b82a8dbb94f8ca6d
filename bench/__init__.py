"""What a job costs, from 10 to 5,000 tasks, measured beside TFJob; README.md beside this file tells how."""
