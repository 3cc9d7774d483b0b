"""Recorded sessions with the real Asterisk, scrubbed, and the programs that record them."""
