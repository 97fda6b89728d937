"""What lies in nbgrader's folder: how notebooks are released, and how answers are carried over."""
