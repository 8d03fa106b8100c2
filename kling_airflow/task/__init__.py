"""What operators and sensors share while a task runs."""
