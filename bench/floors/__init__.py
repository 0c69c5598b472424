"""The floors: the least that could do the same work with the same libraries, and nothing else."""
