"""Code that the notebooks teach, a module for each subject.

`make export` writes the modules: edit the notebooks.
"""
