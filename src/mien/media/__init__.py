"""Images, video, sound, tables and lists of inputs, in and out."""
