"""Requests: what members, venues and validators sign, one file a subject."""
