"""Bytes to clean numbered records: containers, mail, prefixes, unwrapping, damage (floor 1; may import `kernel`).

`source` opens and decompresses, `reader` reads: `read_text(path)` gives a `text.Text` of `record.Record`.

Where things are. A span counts bytes of the decompressed input and physical lines of it. Every byte belongs to exactly
one record, in order: joining the spans gives the input back, whatever the input is.

- What can be decoded line by line is decoded where it stands: prefixes, quoting, quoted-printable, charsets, HTML,
  JSON and export lines of a journal. A record of it covers the lines that it was written on, soft breaks included; the
  second line of one JSON message is a record without bytes, right behind the first.
- What cannot (base64, uuencode, compressed attachments, HTML parts of a mail) becomes a `text.Part` with a text of its
  own: its spans count from its own first byte, `Part.span` says where it stands in the text around it, and the encoded
  lines there are records of role `other`. `Text.walk()` goes through both.
"""
