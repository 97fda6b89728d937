"""What is made from the notebooks: exported code, pages, slides, the site, the student edition."""
