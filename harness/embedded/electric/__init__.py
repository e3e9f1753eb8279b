"""A stand-in for Electric, where no container engine is at hand: for development and tests only.

It answers GET /v1/shape as Electric 1.7.12 does, over the same Postgres, by logical decoding.
docs/sync.md says what it is and what it is not. From the wire inwards: server (HTTP), asking (what
a request wants), tables and conditions (what a shape is), shapes (snapshot and log of each),
changes (rows to messages), reading (what is asked of Postgres), replication and pgoutput (what
Postgres tells). A package and not one module, for each of these is a page. run starts it.
"""
