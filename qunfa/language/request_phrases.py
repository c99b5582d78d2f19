"""What typer says of a command line, and what is wrong with a request, for :mod:`qunfa.language.phrasebook`.

A field's name stands before it, as in `audience.tag_id: is missing`: :mod:`qunfa.language.phrases` knows that.
"""

from typing import Final

from qunfa.language import N_

COMMAND_LINE: Final = (
    N_("Missing argument '{name}'."),
    N_("Missing option '{name}'."),
    N_("No such option: {name} Did you mean {other}?"),
    N_("No such option: {name} (Possible options: {others})"),
    N_("No such option: {name}"),
    N_("No such command '{name}'."),
    N_("Invalid value for '{name}': Value error, '{value}' is not one of {choices}."),
    N_("Invalid value for '{name}': Input should be a valid integer, unable to parse string as an integer"),
    N_("Invalid value for '{name}': Input should be greater than or equal to {least}"),
    N_("Invalid value for '{name}': Input should be less than or equal to {most}"),
    N_("Option '{name}' requires an argument."),
    N_("Got unexpected extra argument(s) ({names})"),
)
"""What typer says of a command line."""

REQUESTS: Final = (
    N_("must not hold white space or control characters: {value}"),
    N_("the input cannot be read: {said}"),
    N_("the workers do not know the encoding {encoding} of its payload; send JSON, as {wanted}"),
    N_("its payload is not of its encoding, {encoding}"),
    N_("its payload names no encoding; send JSON, with the encoding {wanted}"),
    N_("it has half a character{where}, as text that was cut inside an emoji"),
    N_("it is nested too deeply{where}"),
    N_("it has a number with too many digits{where}"),
    N_("it is not valid JSON: {detail}"),
    N_("must be one of {choices}, not '{value}'"),
    N_("must have at most {most} characters, not {number}"),
    N_("must have at least {least} items"),
    N_("must have at most {most} items"),
    N_("has characters that are not allowed, or a wrong length: {value} is not {rule}"),
    N_("must hold 2 to 10,000 different openids, got {number} (WeChat refuses fewer and more)"),
    N_("is {size} bytes of UTF-8; WeChat takes at most {most}"),
    N_("account {account}: the workers' configuration does not have it (it has: {known})."),
    N_('the workflow id must be "{wanted}", not "{given}": it is what keeps one key to one send'),
    N_('the workflow id must be "{wanted}", not "{given}"'),
    N_("must be at most {days} days ahead"),
    N_("must have at most {most} characters where the audience is sent in batches"),
    N_(
        'an earlier run under "{key}" was delivered, or may have been (msg_id: {msg_ids}); nothing was submitted now,'
        " and the same content under a new key would be sent again"
    ),
    N_("the account's configuration could not be read"),
    N_("its ledger does not answer"),
    N_("must not be false: the account demands approval ({policy})"),
    N_("split needs an audience that is sent in batches: {choices}, not {value}"),
    N_("a and b must not be more than 100 together, got {number}"),
    N_("WeChat takes at least {least} openids, and there are {number}"),
    N_("must be the address of an article, https://{host}/s…"),
    N_("{kind} is not sent in batches"),
    N_(
        'account {account} sends pictures in the form of 2018 (image_via = "image"), which has room for one picture and'
        " nothing else"
    ),
)
"""What is wrong with a request."""
