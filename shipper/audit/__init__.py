"""``shipper audit``: holds what the files hold against what the topics hold.

- ``stock``: which generations there are, and where their bytes are now; the daemon's own rules
- ``lanes``: which paths are judged, and what of the topics answers for them
- ``lines``: what a stretch of a file is as lines; ``shaped``: what the daemon's steps make of it
- ``sameness``: which line and which record are the same
- ``spill``: pairs of numbers on disk, so that the memory is bounded
- ``match``: the join, and the judgement
- ``run``: reads it all, in the one order in which a daemon that goes on working cannot make it look wrong
- ``findings``: what was found; ``report``: what a person, or a program, is told
"""

from shipper.audit.findings import Report
from shipper.audit.lanes import Options
from shipper.audit.report import as_json, as_text
from shipper.audit.run import audit

__all__ = ["Options", "Report", "as_json", "as_text", "audit"]
