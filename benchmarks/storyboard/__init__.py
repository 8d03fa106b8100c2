"""The DAGs of ``benchmarks/bench_storyboard.py``."""
