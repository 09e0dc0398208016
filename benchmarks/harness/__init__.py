"""The benchmark: seeded logs, the packages taking turns, what it cost, and how it is told."""
