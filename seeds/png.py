"""A picture in PNG: a few grey stripes, byte for byte the same each time.

https://www.w3.org/TR/png-3/
"""

import struct
from zlib import adler32, crc32

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, EIGHT_BITS = 0, 8


def striped_png(pixels: int) -> bytes:
    """A square picture of `pixels` by `pixels` (at most 250) with eight stripes from black to white."""
    line = bytes(255 * (8 * column // pixels) // 7 for column in range(pixels))
    rows = (b"\x00" + line) * pixels
    header = struct.pack(">IIBBBBB", pixels, pixels, EIGHT_BITS, GREY, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", _stored(rows)) + _chunk(b"IEND", b"")


def _stored(content: bytes) -> bytes:
    """A zlib stream of one stored block: its bytes do not depend on the zlib at hand. At most 65,535 bytes."""
    size = len(content)
    block = b"\x01" + struct.pack("<HH", size, size ^ 0xFFFF) + content
    return b"\x78\x01" + block + struct.pack(">I", adler32(content))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc32(kind + content))
