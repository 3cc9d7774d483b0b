"""The API's endpoints, one module a noun."""
