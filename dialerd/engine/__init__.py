"""The one writer: events in, one transaction, effects out. Nothing else changes a call or a campaign."""
