"""The verifiers of package and standalone proof: checks in a fixed order, the verdict, its claim text and views."""
