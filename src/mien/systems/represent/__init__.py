"""Systems that turn a face into numbers that mean something: who it is, what it does."""
