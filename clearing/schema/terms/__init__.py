"""Terms: what genesis says, and governance may amend, one file a subject."""
