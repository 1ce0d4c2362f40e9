"""Who agrees: the sets in the state, how they change, what their words become, and what is proven against them."""
