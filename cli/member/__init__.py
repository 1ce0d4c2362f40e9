"""Commands of a member or of anybody: margins, statements, withdrawals, exits, explanations, and verification."""
