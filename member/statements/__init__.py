"""Daily statements of a member, added up from the receipts of decided blocks."""
