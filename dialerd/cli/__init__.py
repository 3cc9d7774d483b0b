"""dialerctl: the API for people and scripts at a terminal. A client of the HTTP API and of nothing else."""
