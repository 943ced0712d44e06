"""A service-health record of our own making, faultless as it stands, and ways to spoil it."""

from html import escape

HEADERS = (
    "ID",
    "Workload Feature",
    "Title",
    "Classification",
    "Severity",
    "Start Time",
    "Last Updated",
)
ROW = (
    "MX100200",
    "Exchange Online Mail routing Web portal",
    "Some users cannot send or receive mail",
    "incident",
    "High",
    "03-Mar-2025 01:00",
    "06-Mar-2025 04:10",
)
IMPACT = (
    "Users who send or receive mail may get a non-delivery report. 1,204 messages were refused."
)
FINAL_IMPACT = (
    "Users who sent or received mail got a non-delivery report. 1,310 messages were refused."
)
START = "Start Time: Monday, March 3, 2025, at 9:00 AM UTC"
MORE = (
    "More Info: This happens only if the sender or the recipient uses one filter service. "
    "You need not re-send: messages go out by themselves."
)
SCOPE = "Scope of Impact: Any user if the sender or the recipient uses that service."
CAUSE = "Root Cause: One hijacked account sent unwanted mail from 2 addresses."


def post(
    stamp: str, status: str, due: str = "", *, title: str = ROW[2], impact: str = IMPACT
) -> str:
    promised = f" Next Update By: {due}" if due else ""
    kind = "Current Status" if due else "Final Status"
    end = "" if due else " End Time: Thursday, March 6, 2025, at 9:30 AM UTC"
    return (
        f"Update: {stamp} Title: {title} User Impact: {impact} {MORE} {kind}: {status} {SCOPE} "
        f"{START}{end} {CAUSE}{promised}"
    )


POSTS = (
    post("03-Mar-2025 01:20", "We know since 20 minutes; 2 addresses are listed.",
         "Tuesday, March 4, 2025, at 2:00 AM UTC"),
    post("03-Mar-2025 17:30", "The account is held, 2 addresses wait for the list's clock.",
         "Wednesday, March 5, 2025, at 1:00 AM UTC"),
    post("04-Mar-2025 16:10", "One address is free again, refusals fell to 0.4%.",
         "Thursday, March 6, 2025, at 12:30 AM UTC"),
    post("05-Mar-2025 16:00", "Both addresses are free, we watch for a day.",
         "Thursday, March 6, 2025, at 12:00 PM UTC"),
    post("06-Mar-2025 03:50", "Nothing was refused for 24 hours in 9,120 attempts.", impact=FINAL_IMPACT),
    "Update: 06-Mar-2025 04:10 A final post-incident report has been published.",
)  # fmt: skip


def text(
    *,
    heading: str = FINAL_IMPACT,
    headers: tuple[str, ...] = HEADERS,
    row: tuple[str, ...] = ROW,
    posts: tuple[str, ...] = POSTS,
) -> str:
    """The record as piped text, newest post first and all of them on one line."""
    return "\n".join(
        [f"{heading} | ||||||", "---|---|---|---|---|---|---|", " | ".join(headers) + " |",
         " | ".join(row) + " |", " ".join(reversed(posts)) + " |"]
    )  # fmt: skip


def page(*, row: tuple[str, ...] = ROW, posts: tuple[str, ...] = POSTS) -> str:
    """The same as HTML."""
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in HEADERS)
    told = "".join(f"<p>{escape(one)}</p>" for one in reversed(posts))
    return (
        f"<!doctype html><html><head><title>x</title><script>alert(1)</script></head><body>"
        f"<h1>{escape(FINAL_IMPACT)}</h1><table><tr>{heads}</tr><tr>{cells}</tr></table>{told}</body></html>"
    )
