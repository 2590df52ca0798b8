"""The service's own conditions and wording, as its clients see them on links, rejections and replies."""

from local.event_hubs.amqp import errors as amqp
from local.event_hubs.amqp.errors import AmqpError

ARGUMENT_ERROR = "com.microsoft:argument-error"
ARGUMENT_OUT_OF_RANGE = "com.microsoft:argument-out-of-range"
SERVER_BUSY = "com.microsoft:server-busy"


def entity_not_found(entity: str) -> AmqpError:
    """A hub or consumer group that does not exist."""
    return AmqpError(
        amqp.NOT_FOUND,
        f"The messaging entity '{entity}' could not be found. "
        "To know more visit https://aka.ms/sbResourceMgrExceptions.",
    )


def unauthorized(right: str, resource: str) -> AmqpError:
    """No token that grants the right (Send, Listen, Manage) on the resource."""
    return AmqpError(
        amqp.UNAUTHORIZED_ACCESS,
        f"Unauthorized access. '{right}' claim(s) are required to perform this operation. "
        f"Resource: '{resource}'.",
    )


def token_expired() -> AmqpError:
    """The token under which a link was opened has run out and was not renewed."""
    return AmqpError(amqp.UNAUTHORIZED_ACCESS, "ExpiredToken: The token is expired.")


def partition_out_of_range(partition: str, count: int) -> AmqpError:
    return AmqpError(
        ARGUMENT_OUT_OF_RANGE,
        "The specified partition is invalid for an EventHub partition sender or receiver. "
        f"It should be between 0 and {count - 1}. Parameter name: PartitionId. Actual value: {partition}.",
    )


def offset_beyond_end(offset: int, last: int) -> AmqpError:
    return AmqpError(
        ARGUMENT_ERROR,
        f"The supplied offset '{offset}' is invalid. The last offset in the system is '{last}'",
    )


def sequence_number_beyond_end(sequence: int, last: int) -> AmqpError:
    return AmqpError(
        ARGUMENT_ERROR,
        f"The supplied sequence number '{sequence}' is invalid. "
        f"The last sequence number in the system is '{last}'",
    )


def bad_filter(text: str) -> AmqpError:
    return AmqpError(ARGUMENT_ERROR, f"The filter expression '{text}' is not supported.")


def too_many_receivers(limit: int, names: list[str]) -> AmqpError:
    return AmqpError(
        amqp.RESOURCE_LIMIT_EXCEEDED,
        "Exceeded the maximum number of allowed receivers per partition in a consumer group which is "
        f"{limit}. List of connected receivers - {', '.join(names)}.",
    )


def epoch_receiver_exists(epoch: int) -> AmqpError:
    """A receiver without an owner level comes to a partition that has an owner."""
    return AmqpError(
        amqp.LINK_STOLEN,
        f"At least one receiver for the endpoint is created with epoch of '{epoch}', and so non-epoch "
        "receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers "
        "are closed or disconnected.",
    )


def higher_epoch_exists(*, owner: str, owner_epoch: int, name: str, epoch: int) -> AmqpError:
    return AmqpError(
        amqp.LINK_STOLEN,
        f"Receiver '{owner}' with a higher epoch '{owner_epoch}' already exists. Receiver '{name}' with "
        f"epoch {epoch} cannot be created. Make sure you are creating receiver with increasing epoch value "
        "to ensure connectivity, or ensure all old epoch receivers are closed or disconnected.",
    )


def receiver_replaced(*, name: str, epoch: int, old_name: str, old_epoch: int) -> AmqpError:
    return AmqpError(
        amqp.LINK_STOLEN,
        f"New receiver '{name}' with higher epoch of '{epoch}' is created hence current receiver "
        f"'{old_name}' with epoch '{old_epoch}' is getting disconnected. If you are recreating the "
        "receiver, make sure a higher epoch is used.",
    )


def entity_deleted(entity: str) -> AmqpError:
    """The hub was deleted while links to it were open."""
    return AmqpError(amqp.RESOURCE_DELETED, f"The messaging entity '{entity}' has been deleted.")


def server_busy() -> AmqpError:
    """More came in than the namespace's throughput units take. Nothing of the batch was kept."""
    return AmqpError(
        SERVER_BUSY,
        "The request was terminated because the namespace is being throttled. Error code : 50002. "
        "Please wait 4 seconds and try again. To know more visit https://aka.ms/sbResourceMgrExceptions.",
    )


def not_persisted() -> AmqpError:
    """The database refused a write: nothing of the batch was kept, and it may be sent again."""
    return AmqpError(
        amqp.INTERNAL_ERROR, "The service was unable to process the request; please retry the operation."
    )
