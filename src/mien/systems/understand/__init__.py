"""Systems that understand: what is felt, why, and what to say to it."""
