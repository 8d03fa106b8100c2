"""The parts of ``bench_waiting``: the queue's process, the ways to wait, and the measured process."""
