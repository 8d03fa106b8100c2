"""The gallery inside Airflow's UI: clips and films below ``[kling] gallery``, for those who may read them."""
