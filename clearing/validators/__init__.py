"""Validators: the sets in the state, their changes and transitions, and proven offences."""
