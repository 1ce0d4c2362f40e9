"""Genesis and the effective terms: reading, checks, places by path, and amendments applied.

Rule: functions of genesis and the amendments alone. This package must not know the state.
"""
