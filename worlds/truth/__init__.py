"""The truth about a world: its tables, what follows from them, and what a user would know of it."""
