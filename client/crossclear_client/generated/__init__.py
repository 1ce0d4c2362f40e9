"""Written by `make docs` from the schema and the OpenAPI document."""
