"""What a person on a terminal is told beside a table."""
