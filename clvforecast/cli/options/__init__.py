"""What the commands are asked for: groups of options, whose defaults are those of the library."""
