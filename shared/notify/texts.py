"""What people read, in English and Spanish. Values, limits and instants are put in; nothing else decides."""

from dataclasses import dataclass

from shared.contracts.reactions import Language


@dataclass(frozen=True, slots=True)
class Texts:
    """One language. Every field is needed: a text that is missing is an error, not an English one."""

    priorities: dict[str, str]
    alarms: dict[str, str]
    """Kind of alarm -> what is the matter."""
    happened: dict[str, str]
    """What is told, where it is not that an alarm was raised -> how a headline says so."""
    predicted: str
    answered: str
    """A remaining life or a distance."""
    blocked: str
    undelivered: str
    unacted: str
    grouped: str
    more: str
    escalated: str
    reminded: str
    machine: str
    value: str
    limit: str
    since: str
    consequence: str
    response: str
    respond_within: str
    open: str


TEXTS: dict[Language, Texts] = {
    "en": Texts(
        priorities={"low": "LOW", "medium": "MEDIUM", "high": "HIGH", "critical": "CRITICAL"},
        alarms={
            "highHigh": "{signal} {value}, far above {limit}",
            "high": "{signal} {value}, above {limit}",
            "low": "{signal} {value}, below {limit}",
            "lowLow": "{signal} {value}, far below {limit}",
            "deviation": "{signal} {value} away from its target, more than {limit}",
            "rateOfChange": "{signal} changes by {value}, more than {limit}",
            "counterRate": "rate of pieces {value}, limit {limit}",
            "state": "in a state that needs somebody ({rule})",
            "silence": "nothing arrives any more",
            "frozen": "{signal} does not move any more",
            "score": "failure probability {value}, above {limit}",
            "oee": "OEE figure {value}, below {limit}",
            "expression": "condition {rule} holds",
        },
        happened={"cleared": "over: ", "reannunciated": "still there: "},
        predicted="{model} gives a failure probability of {probability}, beyond {threshold}",
        answered="{model} gives {answer}, beyond {threshold}",
        blocked="set aside, its readings queue: {reason}",
        undelivered="a message of policy {policy} did not reach {channel}: {detail}",
        unacted="action {action} is {outcome}: {detail}",
        grouped="{count} alarms and notices within a short time",
        more="and {count} more",
        escalated="nobody has acknowledged for {minutes} min: ",
        reminded="reminder, not acknowledged for {minutes} min: ",
        machine="Machine",
        value="Value",
        limit="Limit",
        since="Since",
        consequence="If nobody acts",
        response="What to do",
        respond_within="Time to respond",
        open="Open the alarm",
    ),
    "es": Texts(
        priorities={"low": "BAJA", "medium": "MEDIA", "high": "ALTA", "critical": "CRÍTICA"},
        alarms={
            "highHigh": "{signal} {value}, muy por encima de {limit}",
            "high": "{signal} {value}, por encima de {limit}",
            "low": "{signal} {value}, por debajo de {limit}",
            "lowLow": "{signal} {value}, muy por debajo de {limit}",
            "deviation": "{signal} se desvía {value} de su objetivo, más de {limit}",
            "rateOfChange": "{signal} cambia {value}, más de {limit}",
            "counterRate": "ritmo de piezas {value}, límite {limit}",
            "state": "en un estado que requiere atención ({rule})",
            "silence": "ya no llega ningún dato",
            "frozen": "{signal} ya no varía",
            "score": "probabilidad de fallo {value}, por encima de {limit}",
            "oee": "indicador OEE {value}, por debajo de {limit}",
            "expression": "se cumple la condición {rule}",
        },
        happened={"cleared": "terminada: ", "reannunciated": "sigue activa: "},
        predicted="{model} da una probabilidad de fallo del {probability}, más allá del {threshold}",
        answered="{model} da {answer}, más allá de {threshold}",
        blocked="apartada, sus lecturas esperan en cola: {reason}",
        undelivered="un mensaje de la política {policy} no llegó a {channel}: {detail}",
        unacted="la acción {action} terminó como {outcome}: {detail}",
        grouped="{count} alarmas y avisos en poco tiempo",
        more="y {count} más",
        escalated="nadie la ha reconocido en {minutes} min: ",
        reminded="recordatorio, sin reconocer desde hace {minutes} min: ",
        machine="Máquina",
        value="Valor",
        limit="Límite",
        since="Desde",
        consequence="Si nadie actúa",
        response="Qué hacer",
        respond_within="Tiempo para responder",
        open="Abrir la alarma",
    ),
}
