"""Names of the columns that are added to a user's rows; the declaration refuses columns of the user that begin alike."""

from mlops_assets.declaration.terms import RESERVED_PREFIX

EVENT_TIME = RESERVED_PREFIX + "event_time"
"""The event time as read from the delivered column: UTC without a zone; missing where it cannot be read."""
FAULT = RESERVED_PREFIX + "fault"
"""Why a row cannot be taken apart into its columns (a line of text with too many fields)."""
RECORDED_AT = RESERVED_PREFIX + "recorded_at"
"""When an outcome from a source of its own was reported: UTC without a zone; missing where that is not declared."""
REASONS = RESERVED_PREFIX + "reasons"
"""Why a row is quarantined, joined by "; "."""
ROW = RESERVED_PREFIX + "row"
"""Position of a row, from 0."""
PART = RESERVED_PREFIX + "part"
"""Whether a row was fitted on (`fit`) or held out (`holdout`)."""
UNREADABLE = RESERVED_PREFIX + "unreadable:"
"""Prefix of masks: the value of that column could not be read."""
