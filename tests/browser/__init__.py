"""The console in a real browser, as a campaign manager uses it."""
