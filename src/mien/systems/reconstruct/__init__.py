"""Systems that turn pictures of a face into a head in three dimensions."""
