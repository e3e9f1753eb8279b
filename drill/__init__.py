"""What breaks is broken here, on purpose, while programs write and follow: docs/drill.md."""
