"""The commands of ``kling-airflow``."""
