"""Signals of origin: found where they are, none where they are not, never an error."""

import json

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from moderation.media.provenance import Signal, Strength, signals
from tests.moderation.media.drawing import encoded, scene

PARAMETERS = "a drawn shape\nSteps: 20, Sampler: Euler, Seed: 7, Size: 64x64"
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><a Iptc4xmpExt:DigitalSourceType="{}"/></x:xmpmeta>'


def names(data):
    return {signal.name for signal in signals(data)}


def png_with(**texts):
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key.replace("_", "-"), text, zip=len(text) > 500)
    return encoded(scene(40, 30), "PNG", pnginfo=info)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"parameters": PARAMETERS}, "generator_parameters"),
        ({"parameters": PARAMETERS + " " * 600}, "generator_parameters"),
        ({"prompt": json.dumps({"3": {}})}, "generator_workflow"),
        ({"workflow": json.dumps({"nodes": []})}, "generator_workflow"),
        ({"sd_metadata": "{}"}, "invokeai_metadata"),
        ({"Dream": "a shape"}, "invokeai_metadata"),
        ({"Software": "NovelAI"}, "novelai_software"),
        ({"Software": "ComfyUI"}, "generator_software"),
    ],
)
def test_png_texts(texts, expected):
    assert names(png_with(**texts)) == {expected}


def test_international_and_late_png_texts_are_read_too():
    info = PngImagePlugin.PngInfo()
    info.add_itxt("parameters", PARAMETERS + " \u00fc", zip=True)
    data = encoded(scene(40, 30), "PNG", pnginfo=info)
    assert names(data) == {"generator_parameters"}
    start = data.index(b"iTXt") - 4
    length = int.from_bytes(data[start : start + 4]) + 12
    chunk, end = data[start : start + length], data.index(b"IEND") - 4
    late = data[:start] + data[start + length : end] + chunk + data[end:]
    assert names(late) == {"generator_parameters"}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("trainedAlgorithmicMedia", {"xmp_trained_algorithmic_media"}),
        (
            "compositeWithTrainedAlgorithmicMedia",
            {"xmp_composite_with_trained_algorithmic_media"},
        ),
        ("compositeSynthetic", {"xmp_composite_synthetic"}),
        ("algorithmicMedia", {"xmp_algorithmic_media"}),
        ("digitalCapture", set()),
    ],
)
def test_xmp_source_types(form, source, expected):
    packet = XMP.format(SOURCE + source)
    if form == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet)
        data = encoded(scene(40, 30), form, pnginfo=info)
    else:
        data = encoded(scene(40, 30), form, xmp=packet.encode())
    assert names(data) == expected


def exif_with(tags, inner):
    exif = Image.Exif()
    exif[0x010D] = "drawn"  # Pillow leaves out a block whose first directory is empty
    for tag, value in tags.items():
        exif[tag] = value
    directory = exif.get_ifd(0x8769)
    for tag, value in inner.items():
        directory[tag] = value
    return exif


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("tags", "inner", "expected"),
    [
        ({0x0131: "Midjourney 6"}, {}, Signal("exif_generator", Strength.WEAK)),
        (
            {},
            {0x9286: b"UNICODE\x00" + PARAMETERS.encode("utf-16-be")},
            Signal("exif_generator_parameters", Strength.MEDIUM),
        ),
        (
            {},
            {0x9286: b"ASCII\x00\x00\x00" + PARAMETERS.encode()},
            Signal("exif_generator_parameters", Strength.MEDIUM),
        ),
        (
            {0x010F: "Maker", 0x0110: "Model 1"},
            {0x829A: 0.01},
            Signal("exif_camera", Strength.CONTRARY),
        ),
    ],
)
def test_exif(form, tags, inner, expected):
    data = encoded(scene(40, 30), form, exif=exif_with(tags, inner))
    assert signals(data) == [expected]


def test_a_tiff_is_read_as_the_exif_block_that_it_is():
    data = encoded(scene(40, 30), "TIFF", exif=exif_with({0x0131: "Midjourney 6"}, {}))
    assert signals(data) == [Signal("exif_generator", Strength.WEAK)]


def test_a_maker_without_an_exposure_is_no_camera():
    assert (
        names(encoded(scene(40, 30), "JPEG", exif=exif_with({0x010F: "M", 0x0110: "N"}, {})))
        == set()
    )


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_bare_picture_has_no_signal(form):
    assert signals(encoded(scene(40, 30), form)) == []


def test_words_alone_are_no_parameters():
    assert (
        names(png_with(parameters="steps to the sea", prompt="a sea", Software="drawing 1"))
        == set()
    )


def test_each_signal_comes_once_and_holds_no_text():
    found = signals(png_with(parameters=PARAMETERS, Dream="a", sd_metadata="b"))
    assert sorted(signal.name for signal in found) == ["generator_parameters", "invokeai_metadata"]
    assert "drawn shape" not in repr(found)


def test_a_text_that_unpacks_to_gigabytes_is_capped():
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", PARAMETERS + " " * 30_000_000, zip=True)
    assert names(encoded(scene(40, 30), "PNG", pnginfo=info)) == {"generator_parameters"}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_hostile_bytes_say_nothing_and_raise_nothing(form):
    exif = exif_with({0x0131: "Midjourney"}, {0x9286: b"UNICODE\x00" + PARAMETERS.encode()})
    data = encoded(scene(24, 16), form, exif=exif)
    random = np.random.default_rng(13)
    for i in range(300):
        broken = bytearray(data)
        for at in random.integers(0, min(len(data), 600), 1 + i % 6):
            broken[at] = int(random.integers(0, 256))
        assert isinstance(signals(bytes(broken)), list)
        assert isinstance(signals(data[: int(random.integers(0, len(data)))]), list)
    assert signals(b"") == signals(b"words") == []
