"""The authorizing proxy in front of Electric, and the application's way to schema api.

Postgres decides who may have what, as the one who asks; what is here only carries.
"""
