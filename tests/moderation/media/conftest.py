"""What every test of moderation/media starts from."""

import pytest

from moderation.media.decode import mute_pillow


@pytest.fixture(autouse=True)
def muted_pillow():
    """Mute Pillow as the product does when it starts; pytest sets filters of its own per test."""
    mute_pillow()
