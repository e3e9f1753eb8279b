"""What the tests run on: a server of their own, databases made fresh, and Debian's test tools."""
