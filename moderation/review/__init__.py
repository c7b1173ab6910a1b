"""What people do with cases: take one, look if they must, answer, and let the answer settle."""
