"""Many packages of one network together: order, gaps, contradictions and reused blinders."""
