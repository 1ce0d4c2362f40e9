"""Risk models as data: what a requirement is made of, evaluated with every intermediate kept."""
