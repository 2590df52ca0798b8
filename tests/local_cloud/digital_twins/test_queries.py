"""The covered part of the query language, and that the rest is refused."""

import pytest
from azure.core.exceptions import HttpResponseError

PARTS = {name: {"$metadata": {}} for name in ("oee", "health", "alarmSummary")}


@pytest.fixture(scope="module")
def factory(client):
    """Twelve machines of two kinds on one line."""
    scope = {part: PARTS[part] for part in ("oee", "alarmSummary")}
    client.upsert_digital_twin(
        "q-line", {"$metadata": {"$model": "dtmi:millwright:ProductionLine;1"}, **scope}
    )
    for number in range(12):
        kind = "Robot" if number % 2 else "CncMachine"
        client.upsert_digital_twin(
            f"q-{number:02}",
            {
                "$metadata": {"$model": f"dtmi:millwright:{kind};1"},
                **PARTS,
                "temperatureC": float(number),
                "name": "it's" if number == 3 else f"m{number}",
                "silent": number < 2,
                "orderId": "ORDER-OF-THESE",
                "oee": {"$metadata": {}, "oee": number / 10},
            },
        )
    client.upsert_relationship(
        "q-00", "q-feed", {"$relationshipName": "feeds", "$targetId": "q-01", "bufferCapacity": 7}
    )


def ids(client, query):
    return [twin["$dtId"] for twin in client.query_twins(query) if twin["$dtId"].startswith("q-")]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("$dtId = 'q-05'", [5]),
        ("temperatureC >= 10", [10, 11]),
        ("temperatureC < 2 AND temperatureC != 0", [1]),
        ("T.oee.oee > 1.0", [11]),
        ("name = 'it\\'s'", [3]),
        ("silent = true", [0, 1]),
        ("silent != true AND temperatureC <= 2", [2]),
        ("temperatureC = 'warm'", []),
        ("temperaturC > 0", []),
        ("IS_OF_MODEL('dtmi:millwright:Robot;1') AND temperatureC < 4", [1, 3]),
        ("IS_OF_MODEL(T, 'dtmi:millwright:Machine;1') AND temperatureC < 2", [0, 1]),
        ("IS_OF_MODEL(T, 'dtmi:millwright:Machine;1', exact)", []),
        ("T.$metadata.$model = 'dtmi:millwright:Robot;1' AND temperatureC > 10", [11]),
    ],
)
def test_twins_are_found_by_conditions(client, factory, where, expected):
    found = ids(client, f"SELECT * FROM digitaltwins T WHERE {where}")
    assert found == [f"q-{number:02}" for number in expected]


def test_key_words_may_be_small_or_large(client, factory):
    assert ids(client, "select * from DigitalTwins where $dtId = 'q-01'") == ["q-01"]


def test_counting_answers_one_row(client, factory):
    query = "SELECT COUNT() FROM digitaltwins WHERE IS_OF_MODEL('dtmi:millwright:Robot;1') AND name != 'x'"
    (row,) = client.query_twins(query)
    assert row["COUNT"] >= 6


def test_relationships_are_found_too(client, factory):
    query = "SELECT * FROM RELATIONSHIPS R WHERE R.$relationshipName = 'feeds' AND R.bufferCapacity = 7"
    (found,) = client.query_twins(query)
    assert (found["$sourceId"], found["$targetId"]) == ("q-00", "q-01")


def test_pages_have_the_asked_size_and_miss_nothing(service, client, factory):
    charges = []
    found = client.query_twins(
        "SELECT * FROM digitaltwins WHERE orderId = 'ORDER-OF-THESE' AND oee.oee >= 0",
        headers={"max-items-per-page": "5"},
        raw_response_hook=lambda r: charges.append(float(r.http_response.headers["query-charge"])),
    )
    pages = [[twin["$dtId"] for twin in page] for page in found.by_page()]
    assert [len(page) for page in pages] == [5, 5, 2]
    assert len({twin for page in pages for twin in page}) == 12
    assert all(charge > 0 for charge in charges)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT T FROM digitaltwins T JOIN X RELATED T.feeds",
        "SELECT * FROM digitaltwins T JOIN X RELATED T.feeds WHERE T.$dtId = 'q-00'",
        "SELECT T FROM digitaltwins T JOIN X RELATED Y.feeds WHERE T.$dtId = 'q-00'",
        "SELECT T FROM digitaltwins T JOIN T RELATED T.feeds WHERE T.$dtId = 'q-00'",
        "SELECT X FROM digitaltwins T JOIN X RELATED T.feeds WHERE Z.$dtId = 'q-00'",
        "SELECT a FROM digitaltwins MATCH (a)-[]->(b) WHERE a.name = 'x'",
        "SELECT a FROM digitaltwins MATCH (a)-[r*2]->(b) WHERE a.$dtId = 'q-00'",
        "SELECT a FROM digitaltwins MATCH (a)-[*2..2]->(b) WHERE a.$dtId = 'q-00'",
        "SELECT a FROM digitaltwins MATCH (a)-[*..11]->(b) WHERE a.$dtId = 'q-00'",
        "SELECT a FROM digitaltwins MATCH (a)-[*..6]->()-[*..5]->(b) WHERE a.$dtId = 'q-00'",
        "SELECT a FROM digitaltwins MATCH (a)-[a]->(b) WHERE a.$dtId = 'q-00'",
        "SELECT R FROM RELATIONSHIPS R JOIN X RELATED R.feeds WHERE R.$sourceId = 'q-00'",
        "SELECT COUNT(*) FROM digitaltwins",
        "SELECT DISTINCT name FROM digitaltwins",
        "SELECT name, oee.name FROM digitaltwins",
        "SELECT * FROM digitaltwins ORDER BY name",
        "SELECT * FROM digitaltwins GROUP BY name",
        "SELECT AVG(temperatureC) FROM digitaltwins",
        "SELECT * FROM (SELECT * FROM digitaltwins)",
        "SELECT * FROM digitaltwins WHERE group = 'a'",
        'SELECT * FROM digitaltwins WHERE name = "m1"',
        "SELECT * FROM digitaltwins WHERE IS_FUNNY(name)",
        "SELECT * FROM digitaltwins WHERE STARTSWITH(name)",
        "SELECT * FROM digitaltwins WHERE STARTSWITH(name, 1)",
        "SELECT * FROM digitaltwins WHERE IS_OF_MODEL(X, 'dtmi:millwright:Robot;1')",
        "SELECT * FROM RELATIONSHIPS R WHERE IS_OF_MODEL(R, 'dtmi:millwright:Robot;1')",
        "SELECT * FROM RELATIONSHIPS R WHERE ARRAY_CONTAINS(R.tags, 1)",
        "SELECT * FROM digitaltwins WHERE name > null",
        "SELECT * FROM digitaltwins WHERE 1 = 1",
        "SELECT * FROM digitaltwins WHERE name = 'open",
        "SELECT * FROM digitaltwins WHERE silent > true",
        "SELECT * FROM",
        "",
    ],
)
def test_what_is_not_covered_is_refused_not_answered_wrongly(client, query):
    with pytest.raises(HttpResponseError) as info:
        list(client.query_twins(query))
    assert (info.value.status_code, info.value.error.code) == (400, "SqlQueryError")


def test_nonsense_is_refused_in_the_services_words(client):
    with pytest.raises(HttpResponseError) as info:
        list(client.query_twins("foo"))
    assert info.value.error.message == (
        "SQL query parse failed: SQL Parser Error, Line=1, Position=0, Message=missing SELECT at 'foo' "
        "See samples in https://aka.ms/adtv2query for the correct syntax."
    )
