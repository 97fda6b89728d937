"""What lies in nbgrader's folder: how notebooks are released, updated, graded and reported."""
