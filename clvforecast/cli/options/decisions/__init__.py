"""What the commands that lead to decisions are asked for."""
