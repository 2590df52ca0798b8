"""Work orders: opened by predictions, alarms and people; done when maintenance is recorded."""

from dataclasses import replace
from typing import assert_never

from shared.domain.effects import AlarmChanged, WorkOrderChanged
from shared.domain.maintenance import calls
from shared.domain.maintenance.inputs import Maintained, MoveOrder, OpenOrder, WorkCommand
from shared.domain.maintenance.records import ORDERS_MAX, Task, WorkOrder
from shared.domain.turn import Turn

DONE = "done"

COMPONENTS_MAX = 64
"""So many components' maintenance is remembered: names come from outside, the state is bounded."""


def carry_out(turn: Turn, command: WorkCommand) -> str:
    """`done`, or why not."""
    match command:
        case OpenOrder():
            return _open_by_hand(turn, command)
        case MoveOrder():
            return _move(turn, command)
        case Maintained():
            return _maintain(turn, command)
        case _:
            assert_never(command)


def order_task(turn: Turn, task: Task, *, cause: str, cause_id: str, at: int) -> WorkOrder | None:
    """The open order for the task's component: the one there is, else a new one.

    None when too many are open; the prediction or alarm stands without an order then.
    """
    care = turn.state.care
    for order in care.orders.values():
        if order.component == task.component:
            return order
    if len(care.orders) >= ORDERS_MAX:
        return None
    order = WorkOrder(
        order_id=f"{turn.state.machine_id}:{turn.state.effect_count + 1}",
        task_id=task.task_id,
        component=task.component,
        work=task.work,
        state="open",
        cause="alarm" if cause == "alarm" else "prediction",
        cause_id=cause_id,
        opened_at=at,
        due_at=at + task.due_ms,
        changed_at=at,
    )
    return _tell(turn, order)


def order_for_alarms(turn: Turn, decided: int) -> None:
    """Order what the catalogue says for the alarms that were raised since so many effects."""
    for effect in turn.effects[decided:]:
        if type(effect) is AlarmChanged and effect.event == "raised":
            for task in turn.spec.tasks:
                if effect.alarm.rule_id in task.rules:
                    order_task(turn, task, cause="alarm", cause_id=effect.alarm.alarm_id, at=effect.at)


def _open_by_hand(turn: Turn, command: OpenOrder) -> str:
    state = turn.state
    if len(state.care.orders) >= ORDERS_MAX:
        return f"{ORDERS_MAX} work orders of the machine are open: complete or cancel one"
    for order in state.care.orders.values():
        if order.component == command.component:
            return f"{order.order_id} is open for {command.component}"
    task = next((one for one in turn.spec.tasks if one.task_id == command.task_id), None)
    if command.task_id is not None and task is None:
        known = ", ".join(one.task_id for one in turn.spec.tasks) or "none"
        return f"the machine's class has no task {command.task_id}; there is {known}"
    if task is not None and task.component != command.component:
        return f"task {task.task_id} is about {task.component}"
    if command.due_at < command.now:
        return "it would be due in the past"
    order = WorkOrder(
        order_id=f"{state.machine_id}:{state.effect_count + 1}",
        task_id=command.task_id,
        component=command.component,
        work=command.work or (task.work if task is not None else ""),
        state="open",
        cause="operator" if command.alarm_id is None else "alarm",
        cause_id=command.alarm_id,
        opened_at=command.now,
        due_at=command.due_at,
        changed_at=command.now,
        who=command.who,
        note=command.note,
    )
    if not order.work:
        return "it says neither what work nor which task"
    _tell(turn, order)
    return DONE


def _move(turn: Turn, command: MoveOrder) -> str:
    order = turn.state.care.orders.get(command.order_id)
    if order is None:
        return "the work order is not open"
    if order.state == command.to:
        return f"the work order is {order.state} already"
    note = command.note or order.note
    _tell(turn, replace(order, state=command.to, changed_at=command.now, who=command.who, note=note))
    return DONE


def _maintain(turn: Turn, done: Maintained) -> str:
    """Restart ages and what the catalogue says, complete orders, judge calls; or nothing of it."""
    state = turn.state
    orders = [one for one in state.care.orders.values() if one.component == done.component]
    if done.order_id is not None:
        orders = [one for one in orders if one.order_id == done.order_id]
        if not orders:
            return f"{done.order_id} is no open work order for {done.component}"
    before = state.maintained_at.get(done.component)
    if before is None and len(state.maintained_at) >= COMPONENTS_MAX:
        return f"{COMPONENTS_MAX} other components are on record"
    state.maintained_at[done.component] = done.at if before is None else max(before, done.at)
    calls.judge(turn, done)
    _renew(turn, done.component)
    for order in orders:
        _tell(
            turn,
            replace(
                order,
                state="done",
                changed_at=done.at,
                who=done.who,
                finding=done.finding,
                note=done.note or order.note,
            ),
        )
    return DONE


def _renew(turn: Turn, component: str) -> None:
    """Models that see a renewed signal learn their machine anew: its old baseline says nothing now."""
    renewed = {signal for task in turn.spec.tasks if task.component == component for signal in task.renews}
    fold = turn.state.fold
    stale = {
        binding.model
        for binding in turn.spec.models
        if any(signal in renewed for _, signal in binding.inputs)
    }
    if stale:
        fold.moving = {model: moving for model, moving in fold.moving.items() if model not in stale}


def _tell(turn: Turn, order: WorkOrder) -> WorkOrder:
    """Keep an order that is open, forget one that is over, and write it down."""
    n = turn.number()
    order = replace(order, version=n)
    orders = {**turn.state.care.orders, order.order_id: order}
    if order.state in ("done", "cancelled"):
        del orders[order.order_id]
    turn.state.care = replace(turn.state.care, orders=orders)
    turn.effects.append(WorkOrderChanged(n, order))
    return order
