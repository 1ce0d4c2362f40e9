"""Records: what the tables of the state contain, one file a subject."""
