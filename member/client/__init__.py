"""A member's side of the HTTP API: a typed client, signed requests, own files, and the download of epoch packages."""
