"""What is read of a running task instance: its key, and whether it has ended and by whom."""
