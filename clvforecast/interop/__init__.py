"""Other libraries' objects in and out, one module each."""
