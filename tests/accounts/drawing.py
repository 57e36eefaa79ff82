"""Pictures as people send them, and as nobody should."""

import struct
import zipfile
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 30), (30, 30, 200), (240, 240, 240)
GPS, ORIENTATION, MAKE = 0x8825, 0x0112, 0x010F


def quarters(width: int = 640, height: int = 640) -> Image.Image:
    """Red and green above, blue and white below: no turn of it looks like another."""
    image = Image.new("RGB", (width, height), RED)
    middle, centre = width // 2, height // 2
    image.paste(GREEN, (middle, 0, width, centre))
    image.paste(BLUE, (0, centre, middle, height))
    image.paste(WHITE, (middle, centre, width, height))
    return image


def plain(colour: tuple[int, ...] = RED, side: int = 200, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (side, side), colour)


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    written = BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


def photograph(image: Image.Image | None = None, *, orientation: int = 1) -> bytes:
    """A JPEG that says who took it, how the telephone was held, and where."""
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "Lakeside Cameras", orientation
    exif.get_ifd(GPS).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 17.0)})
    return encoded(image or quarters(), quality=95, exif=exif)


def opened(file: bytes) -> Image.Image:
    image = Image.open(BytesIO(file))
    image.load()
    return image


def corners(image: Image.Image) -> list[str]:
    """What stands upper left, upper right, lower left and lower right."""
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    near, far = image.width // 4, image.width * 3 // 4
    found = []
    for place in ((near, near), (far, near), (near, far), (far, far)):
        colour: Any = image.convert("RGB").getpixel(place)
        distances = {name: sum(abs(a - b) for a, b in zip(colour, there, strict=True)) for name, there in names.items()}
        found.append(min(distances, key=distances.__getitem__))
    return found


# --- As nobody should ---


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def huge_png(side: int, rows: int = 0) -> bytes:
    """As large as it says, in some kilobytes."""
    data = zlib.compress(bytes(side + 1) * rows, 9)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def huge_webp(side: int) -> bytes:
    small = encoded(plain((1, 2, 3, 4), 8, "RGBA"), "WEBP", lossless=True)
    body = small[12:]
    size = (side - 1).to_bytes(3, "little")
    extended = b"VP8X" + struct.pack("<I", 10) + bytes([16, 0, 0, 0]) + size + size
    return b"RIFF" + struct.pack("<I", len(extended + body) + 4) + b"WEBP" + extended + body


def gif_with_a_huge_frame(side: int) -> bytes:
    """On a canvas of one pixel."""
    gif = bytearray(encoded(plain(side=1, mode="L", colour=(0,)), "GIF"))
    frame = gif.index(b",")
    gif[frame + 5 : frame + 9] = struct.pack("<HH", side, side)
    return bytes(gif)


def gif_of(frames: int) -> bytes:
    whole = encoded(plain(side=2, mode="L", colour=(0,)), "GIF")
    start = whole.index(b"\x2c")
    return whole[:start] + whole[start:-1] * frames + b";"


def endless_jpeg(side: int, scans: int) -> bytes:
    """A progressive one that goes over the whole picture again and again, each time to change nothing."""
    jpeg = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * scans + jpeg[-2:]


def zipped() -> bytes:
    written = BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("run.js", "alert(1)")
    return written.getvalue()


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
