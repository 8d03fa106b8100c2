"""Pixels and containers: frames made fit for the queue, clips checked. Knows nothing of Airflow."""
