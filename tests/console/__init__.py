"""The parts of the console that need no browser."""
