"""The service's own codes and words. Where a sentence ends in an aka.ms link it is Azure's, word for word.

Azure's words were read from recorded answers of the real service; those nobody recorded are ours
and are listed in the README.
"""

from local.digital_twins.jsontypes import Json

type Details = list[str]

_UPDATE_APIS = (
    "Please provide a valid patch document. "
    "See section on update apis in the documentation https://aka.ms/adtv2twins."
)


class ServiceError(Exception):
    """An answer that is an error: HTTP status, code and message as the service gives them."""

    def __init__(
        self, status: int, code: str, message: str, *, details: Details | None = None, retry_after_s: int = 0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details or []
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Json]:
        error: dict[str, Json] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = [{"code": self.code, "message": text} for text in self.details]
        return {"error": error}


def invalid_argument(message: str) -> ServiceError:
    return ServiceError(400, "InvalidArgument", message)


def limit_exceeded(message: str) -> ServiceError:
    return ServiceError(400, "LimitExceeded", message)


def quota_reached(what: str, per_s: float) -> ServiceError:
    return ServiceError(
        429,
        "QuotaReachedError",
        "Maximum request rate limit reached. For Azure Digital Twins rate limiting details please see "
        "http://aka.ms/dtv2limits.",
        details=[f"The limit of {per_s:g} {what} per second was reached."],
        retry_after_s=1,
    )


def unauthorized() -> ServiceError:
    return ServiceError(
        401, "Unauthorized", "The request carries no bearer token. Send Authorization: Bearer TOKEN."
    )


def twin_not_found(twin_id: str) -> ServiceError:
    return ServiceError(
        404,
        "DigitalTwinNotFound",
        f"There is no digital twin instance that exists with the ID {twin_id}. Please verify that the twin "
        "id is valid and ensure that the twin is not deleted. See section on querying the twins "
        "https://aka.ms/adtv2query.",
    )


def target_not_found() -> ServiceError:
    return ServiceError(
        404,
        "TargetTwinNotFound",
        "The target digital twin is invalid or does not exist. Please validate that the target twin is valid "
        "and ensure that the target twin is not deleted. See section on querying the twins "
        "https://aka.ms/adtv2query.",
    )


def component_not_found(twin_id: str, component: str) -> ServiceError:
    return ServiceError(
        404,
        "ComponentNotFound",
        f"{twin_id} does not have component {component} Please verify that the component path is correct. "
        "You can get components by getting the twin, See example https://aka.ms/TwinGetSwSmpl.",
    )


def relationship_not_found(twin_id: str, relationship_id: str) -> ServiceError:
    return ServiceError(
        404,
        "RelationshipNotFound",
        f"Relationship {relationship_id} not found on twin {twin_id}. Please verify that the relationship id "
        "is valid and ensure that the relationship is not deleted. See section on listing relationships in "
        "the documentation https://aka.ms/adtv2twins.",
    )


def relationships_not_deleted(twin_id: str) -> ServiceError:
    return ServiceError(
        400,
        "RelationshipsNotDeleted",
        f"Twin {twin_id} has active relationships. Cannot delete a twin unless all the relationships are "
        "deleted. Please ensure that the active relationships on the twin are deleted. See section on "
        "retrieving relationships https://aka.ms/adtv2twins.",
    )


def invalid_relationship(why: str) -> ServiceError:
    return ServiceError(
        400,
        "InvalidRelationship",
        "Twin relationship does not align with the model. Please ensure that the relationship is in "
        "alignment with the model. See section on listing models https://aka.ms/adtv2models.",
        details=[why],
    )


def invalid_twin(details: Details) -> ServiceError:
    return ServiceError(400, "ValidationFailed", "Invalid twin specified", details=details)


def invalid_patch(why: str) -> ServiceError:
    return ServiceError(400, "JsonPatchInvalid", f"{why}. {_UPDATE_APIS}")


def model_not_found(model_id: str) -> ServiceError:
    return ServiceError(
        404,
        "ModelNotFound",
        f"There is no Model(s) available that matches the provided id(s) {model_id}. "
        "Check that the Model ID provided is valid by doing a Model_List API call.",
    )


def model_exists(ids: list[str]) -> ServiceError:
    return ServiceError(
        409,
        "ModelIdAlreadyExists",
        f"Some of the model ids already exist: {', '.join(ids)}. Use Model_List API to view models that "
        "already exist. See the Swagger example (https://aka.ms/ModelListSwSmpl).",
    )


def model_referenced(ids: list[str]) -> ServiceError:
    return ServiceError(
        409,
        "ModelReferencesNotDeleted",
        f"This model is currently being referenced by {', '.join(ids)}. You must delete these references "
        "before deleting the Model.. To delete references, do Delete Model on Ids provided above.",
    )


def model_decommissioned(model_id: str) -> ServiceError:
    return ServiceError(
        400, "ModelDecommissioned", f"Model {model_id} is decommissioned: no new twin can be made of it."
    )


def invalid_model(cause: str, code: str = "DTDLParserError") -> ServiceError:
    return ServiceError(
        400,
        code,
        "None of the models in this request could be created due to a problem with one or more models: "
        f"{cause}. See model documentation(http://aka.ms/ADTv2Models) for supported format.",
    )


def etag_mismatch(etag: str) -> ServiceError:
    return ServiceError(
        412,
        "PreconditionFailed",
        f"The provided etag {etag} doesn't match the current etag for the resource. Please obtain and "
        "provide the latest etag by getting the resource. See section on get apis in the documentation "
        "https://aka.ms/adtv2twins.",
    )


def already_there(kind: str, identifier: str) -> ServiceError:
    return ServiceError(
        412,
        "PreconditionFailed",
        f"If-None-Match: * header was specified but a {kind} with the id {identifier} was found. "
        f"Please specify a different {kind} id.",
    )


def query_error(why: str, *, line: int = 1, position: int = 0) -> ServiceError:
    return ServiceError(
        400,
        "SqlQueryError",
        f"SQL query parse failed: SQL Parser Error, Line={line}, Position={position}, Message={why} "
        "See samples in https://aka.ms/adtv2query for the correct syntax.",
    )
