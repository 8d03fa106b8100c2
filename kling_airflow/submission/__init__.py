"""Submit once: what is remembered of a submission, and the steps that never buy a clip twice."""
