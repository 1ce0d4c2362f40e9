"""How long steps wait and how soon heights follow each other. None of it can change what is decided."""
