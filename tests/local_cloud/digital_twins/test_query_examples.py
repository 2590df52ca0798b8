# ruff: noqa: E501 (a query stays on one line)
"""The examples of Azure's query language reference, on a small building, with answers worked out by hand.

Building1 -contains-> floor-1, floor-2       room-1 -feeds-> room-2 -feeds-> room-3 -feeds-> room-1
floor-1 -contains-> room-1, room-2           room-1 -servicedBy-> tech (clean, 10)
floor-2 -contains-> room-3                   room-2 -servicedBy-> tech (dirty)
room-1 -contains-> area1-a-small             Building1 -isAssociatedWith-> room-3
room-3 -contains-> area1-b-route
"""

import pytest

ANY = "dtmi:tests:examples:Place;1"
KINDS = {kind: f"dtmi:tests:examples:{kind};1" for kind in ("Building", "Floor", "Room", "Sensor", "Person")}
PROPERTIES = {
    **dict.fromkeys(("temperature", "humidity"), "double"),
    **dict.fromkeys(("name", "owner", "status", "Group"), "string"),
    "capacity": "integer",
    "occupied": "boolean",
    "tags": {
        "@type": "Map",
        "mapKey": {"name": "tag", "schema": "string"},
        "mapValue": {"name": "value", "schema": "string"},
    },
    "floor_number": {"@type": "Array", "elementSchema": "integer"},
    "location": {"@type": "Object", "fields": [{"name": "city", "schema": "string"}]},
}
TWINS = {
    "Building1": ("Building", {"name": "Headquarters", "temperature": 20.0, "location": {"city": "Graz"}}),
    "floor-1": ("Floor", {"name": "First", "floor_number": [1, 2]}),
    "floor-2": ("Floor", {"name": "Second", "floor_number": [3]}),
    "room-1": (
        "Room",
        {"temperature": 80, "humidity": 45.5, "owner": "John", "capacity": 30, "occupied": True, "Group": "BravoTeam"},
    ),
    "room-2": (
        "Room",
        {"temperature": 70, "humidity": 60, "owner": "Anil", "capacity": 0, "occupied": False,
         "tags": {"red": "", "size": "large"}},
    ),
    "room-3": ("Room", {"temperature": 55, "owner": "Eve", "tags": {"round": "", "size": "small"}}),
    "area1-a-small": ("Sensor", {"temperature": 81.5, "status": "Completed"}),
    "area1-b-route": ("Sensor", {"status": "Running"}),
    "tech": ("Person", {"name": "D'Souza"}),
}  # fmt: skip
RELATIONSHIPS = [
    ("Building1", "contains", "floor-1", {}),
    ("Building1", "contains", "floor-2", {}),
    ("floor-1", "contains", "room-1", {}),
    ("floor-1", "contains", "room-2", {}),
    ("floor-2", "contains", "room-3", {}),
    ("room-1", "contains", "area1-a-small", {}),
    ("room-3", "contains", "area1-b-route", {}),
    ("room-1", "feeds", "room-2", {}),
    ("room-2", "feeds", "room-3", {}),
    ("room-3", "feeds", "room-1", {}),
    ("room-1", "servicedBy", "tech", {"reportedCondition": "clean", "length": 10}),
    ("room-2", "servicedBy", "tech", {"reportedCondition": "dirty"}),
    ("Building1", "isAssociatedWith", "room-3", {}),
]


@pytest.fixture(scope="module")
def building(launch, connect, interface):
    """A service of its own: these queries ask for everything there is."""
    service = launch("digital-twins")
    relationship_properties = [
        {"@type": "Property", "name": "reportedCondition", "schema": "string"},
        {"@type": "Property", "name": "length", "schema": "integer"},
    ]
    contents = [{"@type": "Property", "name": n, "schema": s} for n, s in PROPERTIES.items()]
    contents += [
        {"@type": "Relationship", "name": name, "properties": relationship_properties}
        for name in ("contains", "feeds", "servicedBy", "isAssociatedWith")
    ]
    with connect(service) as client:
        kinds = [interface(model, [], extends=ANY) for model in KINDS.values()]
        client.create_models([interface(ANY, contents), *kinds])
        for twin, (kind, values) in TWINS.items():
            client.upsert_digital_twin(twin, {"$metadata": {"$model": KINDS[kind]}, **values})
        for source, name, target, values in RELATIONSHIPS:
            body = {"$relationshipName": name, "$targetId": target, **values}
            client.upsert_relationship(source, f"{source}-{name}-{target}", body)
        yield client


def short(value):
    """Twins and relationships by their ids, everything else as it is."""
    if isinstance(value, dict):
        return value.get("$relationshipId") or value.get("$dtId") or {k: short(v) for k, v in value.items()}
    return value


ALL = list(TWINS)
ROOMS = ["room-1", "room-2", "room-3"]
FLOORS = ["floor-1", "floor-2"]
SENSORS = ["area1-a-small", "area1-b-route"]


def named(name, twins):
    return [{name: twin} for twin in twins]


EXAMPLES = [
    # FROM
    ("SELECT * FROM DIGITALTWINS", ALL),
    ("SELECT * FROM DIGITALTWINS T", ALL),
    ("SELECT * FROM RELATIONSHIPS", [f"{s}-{n}-{t}" for s, n, t, _ in RELATIONSHIPS]),
    ("SELECT * FROM RELATIONSHIPS WHERE $sourceId IN ['floor-1', 'floor-2', 'C', 'D']",
     ["floor-1-contains-room-1", "floor-1-contains-room-2", "floor-2-contains-room-3"]),
    # SELECT
    ("SELECT T FROM DIGITALTWINS T", named("T", ALL)),
    ("SELECT COUNT() FROM DIGITALTWINS", [{"COUNT": 9}]),
    ("SELECT COUNT() FROM RELATIONSHIPS", [{"COUNT": 13}]),
    (f"SELECT COUNT() FROM DIGITALTWINS c WHERE IS_OF_MODEL('{KINDS['Room']}') AND c.capacity > 20", [{"COUNT": 1}]),
    ("SELECT TOP(5) FROM DIGITALTWINS", ALL[:5]),
    ("SELECT TOP (2) * FROM DIGITALTWINS WHERE temperature > 60", ["room-1", "room-2"]),
    ("SELECT owner, capacity FROM DIGITALTWINS WHERE IS_DEFINED(owner)",
     [{"owner": "John", "capacity": 30}, {"owner": "Anil", "capacity": 0}, {"owner": "Eve"}]),
    ("SELECT T.location.city FROM DIGITALTWINS T WHERE T.$dtId = 'Building1'", [{"city": "Graz"}]),
    ("SELECT T.location AS place, T.name AS label FROM DIGITALTWINS T WHERE T.$dtId = 'Building1'",
     [{"place": {"city": "Graz"}, "label": "Headquarters"}]),
    ("SELECT Person, Room, Edge FROM DIGITALTWINS Room JOIN Person RELATED Room.servicedBy Edge WHERE Room.$dtId = 'room-1'",
     [{"Person": "tech", "Room": "room-1", "Edge": "room-1-servicedBy-tech"}]),
    ("SELECT P.name, Edge.reportedCondition FROM DIGITALTWINS Room JOIN P RELATED Room.servicedBy Edge WHERE Room.$dtId = 'room-1'",
     [{"name": "D'Souza", "reportedCondition": "clean"}]),
    ("SELECT P.name AS who, Edge.length AS first, Room.area AS area FROM DIGITALTWINS Room "
     "JOIN P RELATED Room.servicedBy Edge WHERE Room.$dtId = 'room-1'", [{"who": "D'Souza", "first": 10}]),
    # WHERE and operators
    ("SELECT * FROM DIGITALTWINS T WHERE T.$dtId = 'room-1'", ["room-1"]),
    (f"SELECT * FROM DIGITALTWINS WHERE IS_OF_MODEL('{KINDS['Room']}')", ROOMS),
    ("SELECT * FROM DIGITALTWINS WHERE name = 'D\\'Souza'", ["tech"]),
    ("SELECT * FROM DIGITALTWINS DT WHERE DT.temperature = 80", ["room-1"]),
    ("SELECT * FROM DIGITALTWINS DT WHERE DT.temperature < 80", ["Building1", "room-2", "room-3"]),
    ("SELECT * FROM DIGITALTWINS DT WHERE NOT DT.temperature <= 80", ["area1-a-small"]),
    ("SELECT * FROM DIGITALTWINS DT WHERE NOT DT.temperature < 80", ["room-1", "area1-a-small"]),
    ("SELECT * FROM DIGITALTWINS DT WHERE DT.owner IN ['John', 'Anil', 'Bailey', 'Alex']", ["room-1", "room-2"]),
    ("SELECT * FROM DIGITALTWINS DT WHERE DT.owner NIN ['John', 'Anil', 'Bailey', 'Alex']", ["room-3"]),
    ("SELECT * FROM DIGITALTWINS DT WHERE DT.temperature < 80 AND DT.humidity < 50", []),
    ("SELECT * FROM DIGITALTWINS DT WHERE DT.temperature < 60 OR DT.humidity < 50", ["Building1", "room-1", "room-3"]),
    ("SELECT * FROM DIGITALTWINS WHERE [[Group]] = 'BravoTeam'", ["room-1"]),
    ("SELECT * FROM DigitalTwins T WHERE T.$dtId in ['room-1', 'room-2'] AND T.temperature = 70", ["room-2"]),
    # Functions
    ("SELECT T.name FROM DIGITALTWINS T WHERE ARRAY_CONTAINS (T.floor_number, 2)", [{"name": "First"}]),
    ("SELECT * FROM DIGITALTWINS T WHERE CONTAINS(T.$dtId, '-route')", ["area1-b-route"]),
    ("SELECT * FROM DIGITALTWINS T WHERE ENDSWITH(T.$dtId, '-small')", ["area1-a-small"]),
    ("SELECT * FROM DIGITALTWINS T WHERE STARTSWITH(T.$dtId, 'area1-')", SENSORS),
    ("SELECT * FROM DIGITALTWINS WHERE IS_DEFINED(location)", ["Building1"]),
    ("SELECT * FROM DIGITALTWINS WHERE IS_DEFINED(tags.red)", ["room-2"]),
    ("SELECT * FROM DIGITALTWINS WHERE NOT IS_DEFINED(tags.red) AND IS_DEFINED(tags.round)", ["room-3"]),
    ("SELECT * FROM DIGITALTWINS WHERE NOT IS_DEFINED(tags.red) AND tags.size = 'small'", ["room-3"]),
    (f"SELECT * FROM DIGITALTWINS DT WHERE IS_OF_MODEL(DT, '{ANY}', exact)", []),
    (f"SELECT * FROM DIGITALTWINS WHERE IS_OF_MODEL('{KINDS['Floor']}', exact)", FLOORS),
    ("SELECT * FROM DIGITALTWINS T WHERE IS_BOOL( occupied )", ["room-1", "room-2"]),
    ("SELECT * FROM DIGITALTWINS T WHERE IS_BOOL( occupied ) AND occupied != false", ["room-1"]),
    ("SELECT * FROM DIGITALTWINS WHERE IS_NUMBER( capacity ) AND capacity != 0", ["room-1"]),
    ("SELECT * FROM DIGITALTWINS WHERE IS_STRING( status ) AND status != 'Completed'", ["area1-b-route"]),
    ("SELECT * FROM DIGITALTWINS T WHERE NOT IS_NULL(T.temperature)", ALL),
    ("SELECT B.temperature FROM DIGITALTWINS B WHERE B.$dtId = 'Building1' AND IS_PRIMITIVE(B.temperature)",
     [{"temperature": 20.0}]),
    ("SELECT * FROM DIGITALTWINS WHERE IS_OBJECT( tags ) AND NOT IS_DEFINED ( tags.red )", ["room-3"]),
    # JOIN
    ("SELECT T, CT FROM DIGITALTWINS T JOIN CT RELATED T.contains WHERE T.$dtId = 'floor-1'",
     [{"T": "floor-1", "CT": "room-1"}, {"T": "floor-1", "CT": "room-2"}]),
    ("SELECT source FROM DIGITALTWINS source JOIN target RELATED source.feeds WHERE target.$dtId = 'room-1'",
     named("source", ["room-3"])),
    ("SELECT T, SBT, R FROM DIGITALTWINS T JOIN SBT RELATED T.servicedBy R WHERE SBT.$dtId = 'tech' "
     "AND R.reportedCondition = 'clean'", [{"T": "room-1", "SBT": "tech", "R": "room-1-servicedBy-tech"}]),
    ("SELECT S FROM DIGITALTWINS F JOIN R RELATED F.contains JOIN S RELATED R.contains WHERE F.$dtId IN ['floor-1', 'floor-2']",
     named("S", SENSORS)),
    ("SELECT COUNT() FROM DIGITALTWINS F JOIN R RELATED F.contains JOIN S RELATED R.contains "
     f"WHERE IS_OF_MODEL(R, '{KINDS['Room']}') AND IS_OF_MODEL(S, '{KINDS['Sensor']}') AND F.$dtId IN ['floor-1', 'x']",
     [{"COUNT": 1}]),
    ("SELECT E FROM DIGITALTWINS A JOIN B RELATED A.contains JOIN C RELATED B.contains JOIN D RELATED C.feeds "
     "JOIN X RELATED D.feeds JOIN E RELATED X.feeds WHERE A.$dtId = 'Building1'", named("E", ROOMS)),
    ("SELECT S, F FROM DIGITALTWINS S JOIN F RELATED S.contains WHERE S.$dtId = 'tech'", []),
    # MATCH
    ("SELECT B, S FROM DIGITALTWINS MATCH (B)-[]->(S) WHERE B.$dtId = 'room-3' AND S.temperature > 50",
     [{"B": "room-3", "S": "room-1"}]),
    ("SELECT R, F FROM DIGITALTWINS MATCH (R)<-[]-(F) WHERE F.$dtId = 'floor-1' AND R.temperature > 75",
     [{"R": "room-1", "F": "floor-1"}]),
    ("SELECT R FROM DIGITALTWINS MATCH (F)-[]-(R) WHERE F.$dtId = 'floor-2'", named("R", ["Building1", "room-3"])),
    ("SELECT S FROM DIGITALTWINS MATCH (B)-[:contains]-(S) WHERE B.$dtId = 'room-3'",
     named("S", ["floor-2", "area1-b-route"])),
    ("SELECT S FROM DIGITALTWINS MATCH (B)-[:contains|isAssociatedWith]->(S) WHERE B.$dtId = 'Building1'",
     named("S", ["floor-1", "floor-2", "room-3"])),
    ("SELECT R FROM DIGITALTWINS MATCH (F)-[:contains*3]->(R) WHERE F.$dtId = 'Building1'", named("R", SENSORS)),
    ("SELECT R FROM DIGITALTWINS MATCH (F)-[:contains*1..3]->(R) WHERE F.$dtId = 'Building1'",
     named("R", [*ROOMS, *SENSORS])),
    ("SELECT R FROM DIGITALTWINS MATCH (F)-[:contains*..2]->(R) WHERE F.$dtId = 'Building1'",
     named("R", [*FLOORS, *ROOMS])),
    ("SELECT * FROM DIGITALTWINS MATCH (F)-[]-(R) WHERE F.$dtId = 'tech'",
     [{"F": "tech", "R": "room-1"}, {"F": "tech", "R": "room-2"}]),
    ("SELECT F, C, Rel FROM DIGITALTWINS MATCH (F)-[Rel]-(C) WHERE F.$dtId = 'tech' AND Rel.reportedCondition = 'dirty'",
     [{"F": "tech", "C": "room-2", "Rel": "room-2-servicedBy-tech"}]),
    ("SELECT F, R FROM DIGITALTWINS MATCH (F)-[r:contains|servicedBy]->(R) WHERE F.$dtId = 'room-1' AND r.length = 10",
     [{"F": "room-1", "R": "tech"}]),
    ("SELECT C, R FROM DIGITALTWINS MATCH (F)-[r:servicedBy]->(C)<-[servicedBy|feeds*..3]-(R) "
     "WHERE F.$dtId = 'room-1' AND r.length = 10", [{"C": "tech", "R": room} for room in ROOMS]),
    ("SELECT F, R FROM DIGITALTWINS MATCH (B)-[r1:contains]->(F)<-[r2:contains]-(R) WHERE B.$dtId = 'Building1'", []),
    ("SELECT T FROM DIGITALTWINS MATCH (T) WHERE T.$dtId = 'tech'", named("T", ["tech"])),
    ("SELECT X FROM DIGITALTWINS MATCH (A)-[:feeds*..10]->(X) WHERE A.$dtId = 'room-1'", named("X", ROOMS)),
    ("SELECT A FROM DIGITALTWINS MATCH (A)-[:contains*3]->(X) WHERE X.$dtId = 'area1-b-route'", named("A", ["Building1"])),
    # As people write them: small words, ids and metadata, values of several twins, negations, several ways at once
    ("select * from digitaltwins where is_defined(tags.red)", ["room-2"]),
    ("select top (1) t from digitaltwins t where startswith(t.$dtId, 'room') and t.temperature < 75", named("t", ["room-2"])),
    ("SELECT T.$dtId AS id, T.$metadata.$model AS kind FROM DIGITALTWINS T WHERE T.$dtId = 'tech'",
     [{"id": "tech", "kind": KINDS["Person"]}]),
    ("SELECT * FROM DIGITALTWINS T WHERE T.$metadata.temperature.lastUpdateTime > '2020-01-01T00:00:00Z' AND T.temperature < 60",
     ["Building1", "room-3"]),
    ("SELECT * FROM DIGITALTWINS T WHERE T.$metadata.$lastUpdateTime < '2020-01-01T00:00:00Z'", []),
    (f"SELECT * FROM DIGITALTWINS T WHERE NOT IS_OF_MODEL(T, '{KINDS['Room']}') AND T.temperature > 15",
     ["Building1", "area1-a-small"]),
    ("SELECT * FROM DIGITALTWINS T WHERE T.temperature >= 55 AND T.temperature <= 70", ["room-2", "room-3"]),
    ("SELECT * FROM DIGITALTWINS WHERE (owner = 'John' OR owner = 'Eve') AND NOT temperature = 80", ["room-3"]),
    ("SELECT * FROM DIGITALTWINS WHERE owner = 'john'", []),
    ("SELECT * FROM DIGITALTWINS WHERE Owner = 'John'", []),
    ("SELECT * FROM DIGITALTWINS WHERE occupied = true OR capacity IN [0]", ["room-1", "room-2"]),
    ("SELECT * FROM DIGITALTWINS WHERE IS_PRIMITIVE(tags)", []),
    ("SELECT * FROM DIGITALTWINS WHERE ARRAY_CONTAINS(floor_number, 4)", []),
    ("SELECT * FROM RELATIONSHIPS R WHERE R.$relationshipName = 'servicedBy' AND R.length = 10", ["room-1-servicedBy-tech"]),
    ("SELECT R.$targetId FROM RELATIONSHIPS R WHERE R.$sourceId = 'Building1' AND R.$relationshipName != 'contains'",
     [{"$targetId": "room-3"}]),
    ("SELECT COUNT() FROM RELATIONSHIPS R WHERE STARTSWITH(R.$targetId, 'room-')", [{"COUNT": 7}]),
    ("SELECT R1.$dtId AS warm, R2.$dtId AS cool FROM DIGITALTWINS R1 JOIN R2 RELATED R1.feeds "
     "WHERE R1.$dtId IN ['room-1', 'room-2', 'room-3'] AND R1.temperature > R2.temperature",
     [{"warm": "room-1", "cool": "room-2"}, {"warm": "room-2", "cool": "room-3"}]),
    ("SELECT Room FROM DIGITALTWINS Floor JOIN Room RELATED Floor.contains WHERE Floor.$dtId = 'floor-1' "
     f"AND IS_OF_MODEL(Room, '{KINDS['Room']}') AND Room.temperature > 72", named("Room", ["room-1"])),
    ("SELECT S FROM DIGITALTWINS MATCH (B)-[:contains]->()-[:contains]->()-[:contains]->(S) WHERE B.$dtId = 'Building1'",
     named("S", SENSORS)),
    ("SELECT P FROM DIGITALTWINS MATCH (A)-[:feeds]->(B)-[:servicedBy]->(P) WHERE A.$dtId = 'room-1'", named("P", ["tech"])),
    ("SELECT A, B FROM DIGITALTWINS MATCH (A)-[r:feeds|contains]->(B) WHERE A.$dtId = 'room-3' AND r.$relationshipName = 'feeds'",
     [{"A": "room-3", "B": "room-1"}]),
    ("SELECT COUNT() FROM DIGITALTWINS MATCH (A)-[*..2]->(B) WHERE A.$dtId = 'floor-2'", [{"COUNT": 3}]),
    ("SELECT TOP(1) B FROM DIGITALTWINS MATCH (A)-[:contains]->(B) WHERE A.$dtId = 'Building1'", named("B", ["floor-1"])),
]  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), EXAMPLES, ids=[str(n) for n in range(len(EXAMPLES))])
def test_the_reference_examples_find_what_is_there(building, query, expected):
    found = [short(row) for row in building.query_twins(query)]
    assert sorted(map(str, found)) == sorted(map(str, expected))


def test_rows_come_in_the_order_of_creation(building):
    assert [twin["$dtId"] for twin in building.query_twins("SELECT * FROM DIGITALTWINS")] == ALL


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM DIGITALTWINS",
        "SELECT * FROM RELATIONSHIPS",
        "SELECT B.$dtId FROM DIGITALTWINS A JOIN B RELATED A.contains WHERE A.$dtId IN ['Building1', 'floor-1', 'room-1']",
        "SELECT X.$dtId FROM DIGITALTWINS MATCH (A)-[*..4]-(X) WHERE A.$dtId = 'tech'",
        "SELECT TOP(3) $dtId FROM DIGITALTWINS",
    ],
)  # fmt: skip
def test_pages_of_one_row_make_up_the_whole(building, query):
    def rows(size):
        pages = building.query_twins(query, headers={"max-items-per-page": size}).by_page()
        return [[short(row) for row in page] for page in pages]

    single = rows("1")
    assert all(len(page) == 1 for page in single)
    assert [page[0] for page in single] == [row for page in rows("100") for row in page]


def test_a_changed_value_is_found_under_the_new_one_only(building):
    def found(value):
        return [
            t["$dtId"] for t in building.query_twins(f"SELECT * FROM DIGITALTWINS WHERE status = '{value}'")
        ]

    building.update_digital_twin("area1-b-route", [{"op": "replace", "path": "/status", "value": "Paused"}])
    assert (found("Running"), found("Paused")) == ([], ["area1-b-route"])
    building.update_digital_twin("area1-b-route", [{"op": "remove", "path": "/status"}])
    assert found("Paused") == []
    building.upsert_digital_twin(
        "area1-b-route", {"$metadata": {"$model": KINDS["Sensor"]}, "status": "Running"}
    )
    assert found("Running") == ["area1-b-route"]
