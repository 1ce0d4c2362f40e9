"""What the API shows of the decided state."""
