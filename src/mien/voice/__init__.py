"""From a voice to a face: what is heard in a sound, and how a face moves to it. Needs no torch."""
