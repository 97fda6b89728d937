"""Code that the notebooks teach, copied from their cells by `make export`. Edit the notebooks."""
