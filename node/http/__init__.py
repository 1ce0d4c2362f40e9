"""The HTTP server: authentication, the table of routes, and the OpenAPI document made from it."""
