"""Every version of Airflow that the package promises, each in an environment of its own: ``make matrix``."""
