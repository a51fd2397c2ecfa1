"""Accuracy and speed under locked protocols: metrics, labelled data, peers, results and tables."""
