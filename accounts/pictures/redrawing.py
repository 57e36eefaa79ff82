"""Opens a picture that a stranger sent and draws it anew, small, square, upright and with nothing but its pixels.

This is a program, started by `opening` as ``python -I redrawing.py SIDE...``: the file comes by standard input; the new
WebP files go to standard output, each after its length in four bytes. Status 2 or 3 means refused, with a sentence in
their place. The decoders are C code that reads what an attacker wrote, so they run where they hold no secret, no
connection and no request, and where the kernel ends them when they take too much. Knows nothing of the server.
"""

import resource
import sys
import warnings
import zipfile
from collections.abc import Sequence
from io import BytesIO

from PIL import GifImagePlugin, Image, ImageCms, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

FORMATS = [
    plugin.format
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        WebPImagePlugin.WebPImageFile,
        GifImagePlugin.GifImageFile,
    )
]
MOST_PIXELS = 40_000_000
"""Four bytes each while they are decoded, of a WebP some sixteen."""
MOST_FRAMES = 1_000
CPU_SECONDS = 3
MEMORY_BYTES = 768 * 1024**2
REFUSED, NO_PICTURE = 2, 3

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
_SCRIPTS = (b"<script", b"<?php", b"<!doctype html")
_ARCHIVES = (b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c")
_PDF_WITHIN = 1024  # readers look for its beginning so far into a file
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation but 1, which is upright."""


class Refused(Exception):
    """``args``: the sentence. ``status``: what the program ends with."""

    status = REFUSED


class NoPicture(Refused):
    status = NO_PICTURE


def redraw(data: bytes, sides: Sequence[int]) -> list[bytes]:
    """WebP files, one for each side in pixels, the largest first; none is larger than the picture itself is. Raises
    Refused."""
    if not (data.startswith(_SIGNATURES) or (data.startswith(b"RIFF") and data[8:12] == b"WEBP")):
        raise NoPicture("This is no picture that can be shown here; send a JPEG, PNG, WebP or GIF.")
    if _holds_something_else(data):
        raise Refused("This file is a picture and something else at once; send the picture alone.")
    try:
        square = _square(data, sides[0])
        return [_encoded(square, side) for side in sides]
    except Refused:
        raise
    except Image.DecompressionBombError:
        raise Refused(f"The picture has too many pixels; {MOST_PIXELS // 1_000_000} million are the most.") from None
    except MemoryError:
        raise Refused("The picture takes too much memory to be opened.") from None
    except Exception:  # whatever a decoder says about bytes that make no sense
        raise Refused("The picture is damaged or cut off.") from None


def _holds_something_else(data: bytes) -> bool:
    """Whether other programs would take it for a page, a script, an archive or a document. Bytes of cameras behind the
    picture (a film, a second picture, a map of depths) are none of these; they are left behind with everything else."""
    small = data.lower()
    return (
        any(script in small for script in _SCRIPTS)
        or any(archive in data for archive in _ARCHIVES)
        or b"%PDF-" in data[:_PDF_WITHIN]
        or zipfile.is_zipfile(BytesIO(data))
    )


def _square(data: bytes, side: int) -> Image.Image:
    """The middle of the first frame, upright, in sRGB, no larger than ``side``."""
    opened = Image.open(BytesIO(data), formats=FORMATS)
    if getattr(opened, "n_frames", 1) > MOST_FRAMES:
        raise Refused(f"The picture moves in too many frames; {MOST_FRAMES:,} are the most.")
    opened.draft(None, (side, side))  # a large JPEG is decoded at a half, a quarter or an eighth of its size
    profile, orientation = opened.info.get("icc_profile"), _orientation(opened)
    (width, height), edge = opened.size, min(opened.size)
    left, top = (width - edge) // 2, (height - edge) // 2
    square = opened.crop((left, top, left + edge, top + edge))
    opened.close()
    if square.mode.startswith("I"):  # sixteen bits, which Pillow would cut off rather than scale
        square = square.point(lambda value: value * (1 / 256)).convert("L")
    if square.mode not in ("RGB", "RGBA", "L", "CMYK") or "transparency" in square.info:
        square = square.convert("RGBA" if square.has_transparency_data else "RGB")
    if edge > side:
        square = square.resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3)
    square = _in_srgb(square, profile)
    return square.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else square


def _orientation(opened: Image.Image) -> int | None:
    try:
        found: int | None = opened.getexif().get(_ORIENTATION)
        return found
    except Exception:  # a picture is not worse for notes that cannot be read
        return None


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours as they were meant; by a profile that cannot be used they are taken for sRGB."""
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile:
        try:
            meant = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(image, meant, ImageCms.createProfile("sRGB"), outputMode=mode)
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return image.convert(mode)


def _encoded(square: Image.Image, side: int) -> bytes:
    if square.width > side:
        square = square.resize((side, side), Image.Resampling.LANCZOS)
    encoded = BytesIO()
    square.save(encoded, "WEBP", quality=82, method=4, icc_profile=b"", exif=b"", xmp=b"")
    return encoded.getvalue()


def _limit() -> None:
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2  # Pillow warns above this and refuses above twice as many
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes no file
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    _limit()
    try:
        files = redraw(sys.stdin.buffer.read(), [int(side) for side in sys.argv[1:]])
    except Refused as refusal:
        sys.stdout.buffer.write(str(refusal).encode())
        return refusal.status
    for file in files:
        sys.stdout.buffer.write(len(file).to_bytes(4, "big") + file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
