"""The HTTP API: one table of routes, from which the server and its OpenAPI description are both made."""
