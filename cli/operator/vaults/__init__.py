"""`crossclear vault`: the commands of a chain's vault."""
