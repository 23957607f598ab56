"""Training: the networks and how they are fitted. The only room that knows Keras."""
