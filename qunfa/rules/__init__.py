"""Pure decisions: functions of what is known, each with its table. No clock, no I/O, no Temporal."""
