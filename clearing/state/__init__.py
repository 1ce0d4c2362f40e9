"""The replicated state: tables of frozen records, O(1) forks, incremental salted roots."""
