"""What students fill in, and the same for nbgrader: `python -m publish.student`."""
