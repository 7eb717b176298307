"""The parameters that routes have in common, each with its bounds and its words for the documentation."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query

from penstock.domain import limits

Id = Annotated[UUID, Path(description="The id of the resource.")]
Cursor = Annotated[str | None, Query(description="Where to go on: the `next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=limits.PAGE, description="How many at most; a page of large items has fewer.")]
USUAL_LIMIT = 100

ONE_TAG = r'^(\*|(W/)?"[!#-~]*")$'
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        json_schema_extra={"pattern": ONE_TAG},
        description="The ETag of what this is based on; if it has changed since, the answer is 412.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="The ETag of what the caller has; if it is still the same, the answer is 304.",
    ),
]
