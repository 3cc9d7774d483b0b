"""The HTTP API, the same on TCP and on the Unix socket. It translates; it decides nothing about calls."""
