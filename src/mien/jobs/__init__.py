"""What a user asks for: streams in, streams out. Today: ``analyze``."""
