"""The gallery inside Airflow's UI: the clips and films below ``[kling] gallery``, for users who may read them."""
