"""What the console says instead of the codes that rows and custody events hold."""

REASONS = {
    "column": "hashes that came with the dataset",
    "embedded": "picture inside the dataset",
    "fetched": "picture fetched",
    "http_404": "not found (404)",
    "http_410": "gone (410)",
    "no_such_host": "no such host",
    "redirect_to_nowhere": "redirect to nowhere",
    "http_401": "log-in needed (401)",
    "http_403": "forbidden (403)",
    "http_429": "too many requests (429)",
    "http_451": "withheld for legal reasons (451)",
    "http_4xx": "refused by the site",
    "address_refused": "private or reserved address, not contacted",
    "scheme_refused": "not http or https, not contacted",
    "http_5xx": "error of the site",
    "http_other": "unexpected answer",
    "connection": "no connection",
    "tls": "no secure connection",
    "timeout": "too slow",
    "too_many_redirects": "too many redirects",
    "too_many_bytes": "too large",
    "not_a_picture": "not a picture",
    "truncated": "picture cut off",
    "too_many_pixels": "too many pixels",
    "undecodable": "picture cannot be read",
    "download_failed": "download failed when the dataset was made",
    "not_fetched": "not fetched",
    "host_left_alone": "not asked for: its site does not answer, or asked for a long pause",
    "no_url": "no link",
    "bad_url": "not a link",
    "bad_digest": "column holds no hash",
    "no_picture": "no picture where one should be",
}

STEPS = {
    "answer_given": "answered",
    "answer_settled": "the answer took effect",
    "answer_undone": "the answer was undone",
    "caption_shown": "the caption was shown",
    "case_assigned": "assigned by a lead",
    "case_claimed": "taken",
    "case_cleared": "closed: kept",
    "case_code_open": "removal confirmed; a lead settles the answer and the class",
    "case_confirmed": "closed: removal confirmed",
    "case_disputed": "two people differ",
    "case_escalated": "goes to a lead",
    "case_handed_over": "handed over",
    "case_held": "put on hold",
    "case_joined": "another case became part of it",
    "case_merged": "became part of another case",
    "case_noted": "a note was written",
    "case_opened": "opened by a scan",
    "case_parted": "a case that was part of it is one of its own again",
    "case_pinned": "pinned: it comes first",
    "case_proposed": "waits for a second person",
    "case_released": "given back",
    "case_reopened": "opened again",
    "case_requeued": "sent back: it is answered anew",
    "case_resumed": "gone on with",
    "case_taken_over": "taken over by a lead",
    "case_unpinned": "no longer pinned",
    "case_viewed": "the page was read",
    "case_waiting": "waits until it can be told",
    "case_woken": "open again",
    "hotline_told": "the hotline was told on another channel",
    "lease_expired": "the time ran out",
    "legal_hold_lifted": "the legal hold was lifted",
    "legal_hold_set": "a legal hold was set",
    "preview_opened": "a preview was shown",
    "preview_revealed": "a preview was asked for",
    "report_not_drafted": "no report was drafted",
    "url_unmasked": "the full link was shown",
}


def reason(code: str) -> str:
    """Return why an entry has its outcome, in words."""
    return REASONS.get(code, code.replace("_", " "))


def step(action: str) -> str:
    """Return what happened to a case, in words."""
    return STEPS.get(action, action.replace("_", " "))
