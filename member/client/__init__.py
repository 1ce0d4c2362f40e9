"""The HTTP API from the other side: a typed client, signed requests, and the download of epoch packages."""
