"""What is wrong with a database, in order of urgency, and what mends it."""
