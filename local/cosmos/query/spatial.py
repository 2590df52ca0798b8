"""Spatial functions of points and polygons in GeoJSON; other shapes and functions are refused with 501."""

import math
from itertools import pairwise

from local.cosmos.errors import not_implemented
from local.cosmos.json_types import UNDEFINED
from local.cosmos.query.signature import Arguments, Function, as_number
from local.cosmos.query.values import Value

type Point = tuple[float, float]
"""Longitude and latitude in degrees."""

MEAN_RADIUS_M = 6_371_008.8
"""Of the Earth (IUGG). Azure measures on the WGS-84 ellipsoid: distances differ by up to 0.5 %."""
SHAPES = frozenset(
    {"Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"}
)


def _place(value: Value) -> Point | None:
    if not isinstance(value, list) or len(value) < 2:
        return None
    longitude, latitude = as_number(value[0]), as_number(value[1])
    if longitude is None or latitude is None or not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        return None
    return float(longitude), float(latitude)


def _point(value: Value) -> Point | None:
    """The position of a Point; None for what is no valid one. Raises 501 for another shape."""
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    if kind != "Point" and kind in SHAPES:
        raise not_implemented(f"spatial functions of a {kind} in that place")
    return _place(value.get("coordinates")) if kind == "Point" else None


def _rings(value: Value) -> list[list[Point]] | None:
    """The closed rings of a Polygon, the outer one first."""
    if not isinstance(value, dict) or value.get("type") != "Polygon":
        return None
    listed = value.get("coordinates")
    rings: list[list[Point]] = []
    for ring in listed if isinstance(listed, list) else []:
        places = [_place(one) for one in ring] if isinstance(ring, list) else []
        found = [one for one in places if one is not None]
        if len(found) < 4 or len(found) < len(places) or found[0] != found[-1]:
            return None
        rings.append(found)
    return rings or None


def _distance(args: Arguments) -> Value:
    """Metres along the great circle between two points."""
    one, other = _point(args[0]), _point(args[1])
    if one is None or other is None:
        return UNDEFINED
    (west, south), (east, north) = (tuple(map(math.radians, place)) for place in (one, other))
    half = math.sin((north - south) / 2) ** 2
    half += math.cos(south) * math.cos(north) * math.sin((east - west) / 2) ** 2
    return 2 * MEAN_RADIUS_M * math.asin(math.sqrt(min(1.0, half)))


def _inside(place: Point, ring: list[Point]) -> bool:
    x, y = place
    crossings = 0
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            crossings += 1
    return crossings % 2 == 1


def _within(args: Arguments) -> Value:
    place, rings = _point(args[0]), _rings(args[1])
    if place is None or rings is None:
        return UNDEFINED
    outer, *holes = rings
    return _inside(place, outer) and not any(_inside(place, hole) for hole in holes)


def _is_valid(args: Arguments) -> Value:
    value = args[0]
    if isinstance(value, dict) and value.get("type") in SHAPES - {"Point", "Polygon"}:
        raise not_implemented(f"spatial functions of a {value.get('type')}")
    if isinstance(value, dict) and value.get("type") == "Polygon":
        return _rings(value) is not None
    return _point(value) is not None


SPATIAL_FUNCTIONS: dict[str, Function] = {
    "ST_DISTANCE": Function(_distance, 2, 2),
    "ST_WITHIN": Function(_within, 2, 2),
    "ST_ISVALID": Function(_is_valid, 1, 1),
}
