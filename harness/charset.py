"""Which charset a text is in, found while its bytes go by."""

import codecs

_MARKS = {codecs.BOM_UTF16_LE: "utf-16le", codecs.BOM_UTF16_BE: "utf-16be"}


class CharsetFinder:
    """Is fed a content piece by piece, and then says its charset.

    UTF-8 is what is valid as it, with a byte order mark or without; UTF-16 what begins with its
    byte order mark and is valid as it. A NUL in what looks like UTF-8 is no text: it is UTF-16
    without a mark, or binary.
    """

    def __init__(self) -> None:
        self._head = b""
        self._charset: str | None = "utf-8"
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        if self._decoder is None:
            self._head += piece
            if len(self._head) < len(codecs.BOM_UTF16_LE):
                return
            piece = self._begin()
        self._decode(piece, final=False)

    def found(self) -> str | None:
        """Return the charset, after the last piece; None if it is none of those."""
        self._decode(b"" if self._decoder else self._begin(), final=True)
        return self._charset

    def _begin(self) -> bytes:
        head, self._head = self._head, b""
        self._charset = _MARKS.get(head[:2], "utf-8")
        self._decoder = codecs.getincrementaldecoder(self._charset)()
        return head

    def _decode(self, piece: bytes, *, final: bool) -> None:
        if self._charset is None or self._decoder is None:
            return
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            self._charset = None
        else:
            if self._charset == "utf-8" and b"\0" in piece:
                self._charset = None
