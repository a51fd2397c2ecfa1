"""Systems that edit a face."""
