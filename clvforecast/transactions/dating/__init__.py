"""From what a log says of a moment to a day of the calendar."""
