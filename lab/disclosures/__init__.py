"""The public quantitative disclosure of one day: observed block by block, and reported field by field."""
