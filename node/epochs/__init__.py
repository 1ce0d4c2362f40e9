"""Epochs: commitments for headers, packages that prove them, and the workers for both."""
