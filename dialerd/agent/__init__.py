"""The embedded voice agent: a scripted conversation, spoken with the machine's own voices."""
