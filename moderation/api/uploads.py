"""A picture that is screened stays in memory: Django's own handlers would put it on the disk."""

from io import BytesIO
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from rest_framework.exceptions import APIException


class TooLarge(APIException):
    status_code = 413
    default_detail = "The picture is larger than this service screens."
    default_code = "too_large"


class InMemoryUpload(FileUploadHandler):
    """Collects one upload in memory and refuses it as soon as it is over SCREEN_MAX_BYTES."""

    def handle_raw_input(
        self,
        input_data: IO[bytes],
        META: dict[str, Any],  # noqa: N803  Django's name
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> None:
        if content_length > settings.SCREEN_MAX_BYTES + 65_536:
            raise TooLarge

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.buffer = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > settings.SCREEN_MAX_BYTES:
            raise TooLarge
        self.buffer.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self.buffer.seek(0)
        return InMemoryUploadedFile(
            file=self.buffer,
            field_name=self.field_name,
            name="picture",
            content_type=self.content_type,
            size=file_size,
            charset=self.charset,
        )
