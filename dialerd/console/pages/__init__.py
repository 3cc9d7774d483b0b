"""The console's pages, one module a noun: how each looks and what it asks the API. None decides about a call."""
