"""The console: campaigns in a browser. A process of its own, and a client of the HTTP API and of nothing else."""
