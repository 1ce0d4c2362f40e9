"""Field, groups, polynomials, the reference string, commitments and the transcript: what every proof is built from."""
