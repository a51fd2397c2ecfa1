"""Systems that move a face as another face moves."""
