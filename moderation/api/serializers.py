"""What the API takes and gives."""

from typing import Any

from rest_framework import serializers

from moderation.algorithms import ASKED
from moderation.scanning.screening import Verdict


class ScreenRequest(serializers.Serializer[Any]):
    """One of: an algorithm with a value, or a picture."""

    algorithm = serializers.ChoiceField(choices=ASKED, required=False)
    value = serializers.CharField(
        max_length=1000, required=False, help_text="Hex, or base64 for PDQ."
    )
    picture = serializers.FileField(
        required=False,
        help_text="Up to 32 MiB and 40 megapixels; its bytes are hashed and dropped.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = {name for name in attrs if attrs[name]}
        if given not in ({"algorithm", "value"}, {"picture"}):
            raise serializers.ValidationError("Give algorithm and value, or picture.")
        return attrs


class ScreenMatch(serializers.Serializer[Any]):
    list = serializers.CharField()
    algorithm = serializers.CharField()
    distance = serializers.IntegerField()
    variant = serializers.CharField()


class ScreenResponse(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=[each.value for each in Verdict])
    reason = serializers.CharField(
        allow_blank=True, help_text="Why something is not hashable, else empty."
    )
    matches = ScreenMatch(many=True)
    passed_over = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="Only where there are some: reason to count of the matches that no scan flags.",
    )
