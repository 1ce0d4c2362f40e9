"""Terms: the contents of genesis, which governance may amend, one file a subject."""
