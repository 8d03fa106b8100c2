"""The README's first command: a real Airflow, an S3 and the simulator, from two photographs to a clip."""
