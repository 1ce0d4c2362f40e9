"""How long steps wait. None of it can change what is decided."""
