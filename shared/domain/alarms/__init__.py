"""Alarms (ISA-18.2, IEC 62682): rules as data, verdicts on readings, one life cycle for all of them.

`life_cycle` is the table, `rules` what may be described, `plan` what a machine's rules watch,
`judging` the way from a reading to a verdict, `occurrences` the way from a verdict to a change,
`commands` what operators do, `timing` what the passing of time does.
"""
