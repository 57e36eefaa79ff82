"""What becomes of a file that somebody sends as their picture; no server, no database."""

import os
import random
import resource
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageOps

from accounts.pictures import redrawing
from accounts.pictures.names import LARGE, SIDES, SMALL
from accounts.pictures.opening import (
    MOST_BYTES,
    NotAPicture,
    PictureRefused,
    PictureTooLarge,
    redraw_picture,
)
from tests.accounts import drawing
from tests.accounts.drawing import (
    BLUE,
    GREEN,
    RED,
    corners,
    encoded,
    opened,
    photograph,
    plain,
    quarters,
)

DAMAGED = "The picture is damaged or cut off."
PIXELS = "The picture has too many pixels; 40 million are the most."
FRAMES = "The picture moves in too many frames; 1,000 are the most."
TWO_THINGS = "This file is a picture and something else at once; send the picture alone."
NO_PICTURE = "This is no picture that can be shown here; send a JPEG, PNG, WebP or GIF."
TOO_LONG = "The picture takes too long to be opened."

JPEG = photograph()


def large(data: bytes) -> Image.Image:
    """In this process: the tests' own pictures are harmless."""
    return opened(redrawing.redraw(data, SIDES)[0])


def near(image: Image.Image, colour: tuple[int, ...], place: tuple[int, int] = (50, 50)) -> bool:
    found: Any = image.convert("RGB").getpixel(place)
    return all(abs(a - b) <= 8 for a, b in zip(found, colour, strict=True))


def seconds_of_children() -> float:
    """Of a processor: the clock tells more about how busy the machine is."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(b"", "The file is empty.", id="empty"),
        pytest.param(drawing.huge_png(50_000), PIXELS, id="PNG of 50,000 squared"),
        pytest.param(drawing.huge_png(6_400, 6_400), PIXELS, id="PNG a little too large"),
        pytest.param(drawing.huge_webp(16_384), PIXELS, id="WebP of 16,384 squared"),
        pytest.param(drawing.gif_with_a_huge_frame(60_000), PIXELS, id="GIF with a frame beyond its canvas"),
        pytest.param(drawing.gif_of(10_000), FRAMES, id="GIF of 10,000 frames"),
        pytest.param(JPEG[: len(JPEG) // 2], DAMAGED, id="half a JPEG"),
        pytest.param(encoded(quarters(), "PNG")[:-200], DAMAGED, id="most of a PNG"),
        pytest.param(encoded(quarters(), "GIF")[:-200], DAMAGED, id="most of a GIF"),
        pytest.param(encoded(quarters(), "WEBP")[:-200], DAMAGED, id="most of a WebP"),
        pytest.param(JPEG[:20], DAMAGED, id="only the beginning"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + os.urandom(5_000), DAMAGED, id="noise behind a signature"),
        pytest.param(JPEG + drawing.zipped(), TWO_THINGS, id="JPEG and zip"),
        pytest.param(encoded(quarters(), "PNG") + b"<HTML><SCRIPT>x</SCRIPT>", TWO_THINGS, id="PNG and page"),
        pytest.param(encoded(quarters(), "GIF", comment=b"<?php x();"), TWO_THINGS, id="script in a GIF's comment"),
        pytest.param(encoded(quarters(), comment=b"%PDF-1.7"), TWO_THINGS, id="PDF in a JPEG's comment"),
    ],
)
def test_a_hostile_file_is_refused_with_its_sentence_before_long(data: bytes, sentence: str) -> None:
    assert len(data) < MOST_BYTES
    before = seconds_of_children()
    with pytest.raises(PictureRefused) as refused:
        redraw_picture(data)
    assert (refused.value.message, refused.value.details) == (sentence, {"avatar": [sentence]})
    assert seconds_of_children() - before < 1.5


@pytest.mark.slow
def test_a_jpeg_that_goes_on_and_on_is_ended() -> None:
    """Some hundred kilobytes that would keep a processor busy for a minute."""
    before = seconds_of_children()
    with pytest.raises(PictureRefused, match=TOO_LONG):
        redraw_picture(drawing.endless_jpeg(6_300, 4_000))
    assert seconds_of_children() - before < redrawing.CPU_SECONDS + 1.5


@pytest.mark.parametrize(
    "data",
    [drawing.SVG, b"GIF", b"just words", drawing.zipped(), encoded(quarters(), "BMP"), encoded(quarters(), "TIFF")],
    ids=["SVG", "three letters", "words", "zip", "BMP", "TIFF"],
)
def test_what_is_no_picture_by_its_content_is_another_media_type(data: bytes) -> None:
    with pytest.raises(NotAPicture, match=NO_PICTURE) as refused:
        redraw_picture(data)
    assert refused.value.status == 415


def test_more_than_five_megabytes_are_not_even_opened() -> None:
    with pytest.raises(PictureTooLarge) as refused:
        redraw_picture(JPEG + bytes(MOST_BYTES))
    assert refused.value.details == {"avatar": ["A picture may have 5 MB at most."]}


def test_bytes_of_a_camera_behind_the_picture_are_left_behind() -> None:
    film = b"\x00\x00\x00\x18ftypmp42" + random.Random(7).randbytes(100_000)
    assert redraw_picture(JPEG + film) == redraw_picture(JPEG)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_each_format_becomes_two_square_webps(form: str) -> None:
    redrawn = redraw_picture(encoded(quarters(900, 600), form))
    assert list(redrawn.files) == [LARGE, SMALL]
    for side, file in redrawn.files.items():
        image = opened(file)
        assert (image.format, image.size) == ("WEBP", (side, side))
        assert corners(image) == ["red", "green", "blue", "white"]


@pytest.mark.slow
def test_it_is_cropped_in_the_middle() -> None:
    wide = Image.new("RGB", (1800, 600), BLUE)
    wide.paste(GREEN, (600, 0, 1200, 600))
    for data in (encoded(wide, "PNG"), encoded(wide), encoded(wide.transpose(Image.Transpose.ROTATE_90), "PNG")):
        assert all(near(large(data), GREEN, place) for place in [(3, 3), (508, 3), (3, 508), (508, 508)])


@pytest.mark.parametrize(("side", "sides"), [(200, [200, 96]), (40, [40, 40]), (1, [1, 1])])
def test_it_is_not_enlarged(side: int, sides: list[int]) -> None:
    files = redrawing.redraw(encoded(plain(side=side), "PNG"), SIDES)
    assert [opened(file).size for file in files] == [(each, each) for each in sides]


@pytest.mark.slow
def test_all_eight_orientations_come_out_upright() -> None:
    """Against Pillow's own turning of the whole picture."""
    for orientation in range(1, 9):
        data = photograph(quarters(800, 600), orientation=orientation)
        found, expected = large(data), ImageOps.exif_transpose(opened(data))
        square = ImageOps.fit(expected, (LARGE, LARGE))
        assert corners(found) == corners(square), orientation
        pairs = zip(found.convert("L").tobytes(), square.convert("L").tobytes(), strict=True)
        differences = [abs(one - other) for one, other in pairs]
        assert sum(differences) / len(differences) < 2, orientation
    assert len({tuple(corners(large(photograph(orientation=turn)))) for turn in range(1, 9)}) == 8


def test_nothing_that_the_camera_wrote_is_left() -> None:
    assert drawing.GPS in opened(JPEG).getexif()
    for file in redraw_picture(JPEG).files.values():
        image = opened(file)
        assert not image.getexif()
        assert not {"exif", "icc_profile", "xmp"} & image.info.keys()
        assert b"Lakeside" not in file
        assert not any(name in file for name in (b"EXIF", b"XMP ", b"ICCP"))


def test_colours_are_as_their_profile_means_them() -> None:
    srgb, lab = (ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes() for name in ("sRGB", "LAB"))
    swapped = srgb.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    assert near(large(encoded(plain(GREEN), "PNG", icc_profile=srgb)), GREEN)
    assert near(large(encoded(plain((255, 0, 0)), "PNG", icc_profile=swapped)), (0, 255, 0))
    for unusable in (b"no profile at all", lab):
        assert near(large(encoded(plain(GREEN), "PNG", icc_profile=unusable)), GREEN)
    assert near(large(encoded(plain(RED).convert("CMYK"))), RED)


def test_every_kind_of_pixel_is_understood() -> None:
    assert near(large(encoded(plain((128,), mode="L"), "PNG")), (128, 128, 128))
    assert near(large(encoded(plain((1,), mode="1"), "PNG")), (255, 255, 255))
    assert near(large(encoded(plain((32768,), mode="I;16"), "PNG")), (128, 128, 128))
    assert near(large(encoded(plain(GREEN).quantize(), "PNG")), GREEN)
    clear = large(encoded(plain((0, 255, 0, 0), mode="RGBA"), "PNG"))
    assert (clear.mode, clear.getpixel((5, 5))[3]) == ("RGBA", 0)  # type: ignore[index]  # of a picture with colours it is a tuple
    keyed = large(encoded(plain(GREEN), "PNG", transparency=GREEN))
    assert keyed.getpixel((5, 5))[3] == 0  # type: ignore[index]  # of a picture with colours it is a tuple


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_one_that_moves_becomes_its_first_frame(form: str) -> None:
    moving = encoded(plain(GREEN), form, save_all=True, append_images=[plain(BLUE), plain(RED)], duration=50)
    assert getattr(opened(moving), "n_frames", 1) == 3
    found = large(moving)
    assert near(found, GREEN)
    assert getattr(found, "n_frames", 1) == 1


def test_the_same_picture_has_the_same_digest_and_another_one_has_not() -> None:
    once, again, other = redraw_picture(JPEG), redraw_picture(JPEG), redraw_picture(encoded(plain(BLUE)))
    assert once == again
    assert once.digest != other.digest
    assert len(once.digest) == 32


def test_the_process_that_opens_it_knows_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is empty: with this one, no Python would start."""
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    assert redraw_picture(JPEG).digest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {"quality": 30}),
        ("JPEG", {"quality": 30, "progressive": True, "subsampling": 0}),
        ("PNG", {"compress_level": 6}),
        ("WEBP", {"quality": 10, "method": 0}),
        ("GIF", {}),
    ],
    ids=["JPEG", "progressive", "PNG", "WebP", "GIF"],
)
def test_the_largest_that_is_allowed_passes(form: str, options: dict[str, Any]) -> None:
    """Within the memory and the time that its process has."""
    side = int(redrawing.MOST_PIXELS**0.5)
    noise = Image.effect_noise((side // 16, side // 16), 60).resize((side, side))
    if form in ("PNG", "GIF"):
        noise = noise.quantize(4)  # else it would be more than five megabytes
    data = encoded(noise.convert("P" if form == "GIF" else "RGBA" if form == "PNG" else "RGB"), form, **options)
    assert 100_000 < len(data) < MOST_BYTES
    assert redraw_picture(data).digest
