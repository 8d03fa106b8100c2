"""Clips made into a film with PyAV alone: no program is started, no system package is needed.

Nothing here costs money, and nothing here knows of Airflow.
"""
