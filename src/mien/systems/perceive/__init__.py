"""Systems that look at a face: find it, measure it, name what it does."""
