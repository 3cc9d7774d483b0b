"""The adapters against fakes on loopback, and against the real thing where a test is marked so."""
