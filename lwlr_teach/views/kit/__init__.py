"""What all views share, in Python and in ES modules."""
