"""The service's own refusals: status, code and words, and the sub-status that the SDK acts on."""

from http import HTTPStatus

PARTITION_KEY_MISMATCH = 1001
OWNER_NOT_FOUND = 1003
CROSS_PARTITION_QUERY_NOT_SERVABLE = 1004
PARTITION_KEY_RANGE_GONE = 1002
COLLECTION_RID_MISMATCH = 1024


class CosmosError(Exception):
    """A refusal on its way to the client: HTTP status, `code`, message, `x-ms-substatus`."""

    def __init__(self, status: int, code: str, message: str, sub_status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.sub_status = sub_status


def bad_request(message: str, sub_status: int | None = None) -> CosmosError:
    return CosmosError(HTTPStatus.BAD_REQUEST, "BadRequest", message, sub_status)


def partition_key_mismatch() -> CosmosError:
    return bad_request(
        "PartitionKey extracted from document doesn't match the one specified in the header. "
        "Learn more: https://aka.ms/CosmosDB/sql/errors/wrong-pk-value",
        PARTITION_KEY_MISMATCH,
    )


def unauthorized(message: str) -> CosmosError:
    return CosmosError(HTTPStatus.UNAUTHORIZED, "Unauthorized", message)


def forbidden(message: str) -> CosmosError:
    return CosmosError(HTTPStatus.FORBIDDEN, "Forbidden", message)


def not_found() -> CosmosError:
    return CosmosError(
        HTTPStatus.NOT_FOUND,
        "NotFound",
        "Entity with the specified id does not exist in the system. "
        "More info: https://aka.ms/cosmosdb-tsg-not-found",
        0,
    )


def owner_not_found() -> CosmosError:
    """The database or container that should hold the resource does not exist."""
    return CosmosError(HTTPStatus.NOT_FOUND, "NotFound", "Owner resource does not exist", OWNER_NOT_FOUND)


def conflict() -> CosmosError:
    return CosmosError(
        HTTPStatus.CONFLICT, "Conflict", "Entity with the specified id already exists in the system."
    )


def unique_key_violation() -> CosmosError:
    return CosmosError(HTTPStatus.CONFLICT, "Conflict", "Unique index constraint violation.")


def precondition_failed() -> CosmosError:
    return CosmosError(
        HTTPStatus.PRECONDITION_FAILED,
        "PreconditionFailed",
        "Operation cannot be performed because one of the specified precondition is not met.",
    )


def too_large() -> CosmosError:
    return CosmosError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", "Request size is too large."
    )


def partition_key_range_gone() -> CosmosError:
    return CosmosError(
        HTTPStatus.GONE,
        "Gone",
        "The requested resource is no longer available at the server.",
        PARTITION_KEY_RANGE_GONE,
    )


def cross_partition_disabled() -> CosmosError:
    return bad_request(
        "Cross partition query is required but disabled. Please set "
        "x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise "
        "your query to avoid this exception."
    )


def method_not_allowed() -> CosmosError:
    return CosmosError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "The requested verb is not supported on the resource.",
    )


def not_implemented(what: str) -> CosmosError:
    """Azure offers it, the local cloud does not: said aloud, never answered half."""
    return CosmosError(
        HTTPStatus.NOT_IMPLEMENTED, "NotImplemented", f"The local Cosmos DB does not offer {what}."
    )
