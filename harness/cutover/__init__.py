"""The night of the cutover: the archive of the old files, the way over, and the way back."""
