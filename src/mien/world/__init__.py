"""The synthetic face world: people who do not exist, with every factor known."""
