"""Statements: what an account had, what happened to it in a day, and what it has."""
