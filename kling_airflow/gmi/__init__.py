"""The request queue of GMI Cloud on the wire. Knows nothing of Airflow."""
