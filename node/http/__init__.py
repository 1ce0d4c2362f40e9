"""The HTTP server: who is let in, the table of routes, and the OpenAPI document made from it."""
