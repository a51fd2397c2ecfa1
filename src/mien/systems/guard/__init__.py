"""Systems that guard: which faces were forged."""
