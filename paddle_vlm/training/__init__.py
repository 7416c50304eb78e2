"""Training: one loop for every task, and what goes around it."""
