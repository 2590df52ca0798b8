"""What follows from predictions: calls of the models, work orders, and what maintenance found."""
