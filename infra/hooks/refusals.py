"""What Azure says when it would refuse a deployment -> what to do about it."""

import re

REMEDIES = (
    (
        r"AlreadyTaken|NameUnavailable|NameNotAvailable|NameAlreadyExists|VaultAlreadyExists|DnsRecordInUse",
        "The name is somebody else's, or was deleted and not purged. Take another token: "
        "azd env set MILLWRIGHT_TOKEN followed by 13 small letters and digits.",
    ),
    (
        r"Quota|LimitExceeded|LimitReached|InsufficientCapacity|ServiceUnavailable",
        "Ask for more (portal: Quotas), choose another region (azd env set AZURE_LOCATION ...), or take "
        "smaller sizes in infra/environments.",
    ),
    (
        r"AuthorizationFailed|LinkedAuthorizationFailed|Forbidden",
        "The message names the action that is missing: ask for a role that has it on the subscription. "
        "Contributor makes resources, Role Based Access Control Administrator gives roles.",
    ),
    (
        r"RequestDisallowedByPolicy",
        "A policy of your organisation forbids it. The message names it: ask its owner for an exemption, "
        "or change what it asks for in infra/environments.",
    ),
    (
        r"LocationNotAvailable|SkuNotAvailable|NotAvailableForSubscription|RegionDoesNotSupport|InvalidLocation",
        "This region or subscription lacks it: azd env set AZURE_LOCATION ...; zone redundancy is in "
        "infra/environments.",
    ),
    (r"MissingSubscriptionRegistration", "az provider register --namespace THE-ONE-NAMED --wait"),
    (r"InvalidTemplate\b|InvalidTemplateDeployment|BCP\d+", "A fault of the template: please report it."),
)
"""Pattern of Azure's error codes -> what to do; the first that fits."""


def explained(message: str) -> str:
    """Azure's own words, then what to do. Words that no row knows stand alone.

    Azure wraps what went wrong in outer errors that say only that something did: the innermost code, the
    last one named, decides.

    >>> explained("(QuotaExceeded) 11 hubs").endswith("infra/environments.")
    True
    """
    codes = re.findall(r"\((\w+)\)|\"code\":\s*\"(\w+)\"|Code:\s*(\w+)", message)
    named = ["".join(found) for found in codes] or re.findall(r"\b([A-Z]\w+)\b", message)
    for code in reversed(named):
        for pattern, remedy in REMEDIES:
            if re.search(pattern, code):
                return f"{message}\n  {remedy}"
    return message
