"""What `invoke up` shows: people, what they have, who signs them in. For development only."""
