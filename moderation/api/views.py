"""The API's edge: token or session, one capability, one domain call."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from moderation.permissions import HASH_LOOKUP
from moderation.scanning import screening

from .parsers import SmallFormParser, SmallJSONParser
from .serializers import ScreenRequest, ScreenResponse
from .throttles import ScreenThrottle
from .uploads import InMemoryUpload


class MayLookUp(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user and request.user.has_perm(HASH_LOOKUP))


class NoListsInForce(APIException):
    status_code = 503
    default_code = "no_lists"


class ScreenView(APIView):
    """Screen a hash or a picture against the hash lists in force."""

    permission_classes = (MayLookUp,)
    parser_classes = (SmallJSONParser, MultiPartParser, SmallFormParser)
    throttle_classes = (ScreenThrottle,)

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        request.upload_handlers = [InMemoryUpload(request)]
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        request={"application/json": ScreenRequest, "multipart/form-data": ScreenRequest},
        responses={
            200: ScreenResponse,
            400: OpenApiResponse(description="Neither a hash nor a picture was given."),
            401: OpenApiResponse(description="No token, or one that is not known."),
            403: OpenApiResponse(description="The token's owner may not look hashes up."),
            413: OpenApiResponse(description="The picture, or the body, is too large."),
            429: OpenApiResponse(description="Too many requests; see Retry-After."),
            503: OpenApiResponse(description="No hash list is in force: there is no answer."),
        },
    )
    def post(self, request: Request) -> Response:
        form = ScreenRequest(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        try:
            if "picture" in given:
                screened = screening.screen_picture(given["picture"].read())
            else:
                screened = screening.screen_hash(given["algorithm"], given["value"])
        except screening.NoLists as error:
            raise NoListsInForce(str(error)) from error
        return Response(
            {"reason": screened.reason, **screened.as_json()},
            headers={"Cache-Control": "no-store"},
        )
