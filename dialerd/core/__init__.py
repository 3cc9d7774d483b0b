"""The decisions of the dialer, pure: data in, data out, `now` is an argument.

Nothing in this package reads a clock, draws a random number, awaits, logs or holds a socket;
import contracts in `pyproject.toml` fail the build otherwise.
"""
