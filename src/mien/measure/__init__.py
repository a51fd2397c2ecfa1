"""Statistics of what was measured: summaries, events, synchrony. Arrays in, plain values out."""
