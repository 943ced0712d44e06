"""Mail logs: what one line of Postfix, Exim, KumoMTA or Microsoft 365 says, joined to attempts.

Pure: takes text lines and the instants that somebody else asked of a clock, gives
`mail.attempt.Attempt`. Opening files is `edge.log_input`, the front door is `edge.log_reader`.
"""
