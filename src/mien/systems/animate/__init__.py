"""Systems that move a face: from a voice, from another face, from what was said."""
