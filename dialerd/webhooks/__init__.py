"""Webhooks over HTTP: where they may be sent, and the sending."""
