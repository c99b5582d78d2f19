"""What the checks of `qunfa doctor` say with variables, for :mod:`qunfa.language.phrasebook`."""

from typing import Final

from qunfa.language import N_

OF_TEMPORAL: Final = (
    N_("it names {counted}: {accounts}"),
    N_("{address} answers for the namespace {namespace}"),
    N_("the server tells no version ({version})"),
    N_("See that it is {wanted} or newer."),
    N_("the server is {version}, older than the {wanted} that Qunfa is made for"),
    N_("the server is {version}"),
    N_("the server does not tell how long {namespace} keeps closed workflows"),
    N_(
        "the namespace {namespace} keeps closed workflows for {counted}, less than 35: if an account's own workflow is"
        " lost, an older key could be sent again"
    ),
    N_("the namespace {namespace} keeps closed workflows for {counted}"),
    N_("the namespace lacks {missing}: no worker starts, and no send goes on"),
    N_("all {number} are registered"),
    N_("no worker polls the task queue {queue} for {lacking}: no send goes on"),
    N_("a worker answers on the task queue {queue}; pollers: {pollers}; tasks go to the version {version}"),
    N_("a worker answers on the task queue {queue}; pollers: {pollers}"),
    N_("a worker answers on the task queue {queue}, but none has begun a poll for {lacking} within {within}"),
    N_("no worker has answered this check on the task queue {queue} within {within}"),
    N_(
        "See that a worker runs and is not overloaded or frozen, and look at its log: the last poll began {ago} s ago."
        " A worker of an earlier version does not know this check. Start one with `qunfa worker`."
    ),
    N_("{pollers} poll the task queue {queue}, and no version is the current one: they get no task"),
    N_("the current version of the task queue {queue} is {version}, but only {pollers} poll it"),
    N_("Start workers of the current version, or change it: {typed}"),
    N_("the tasks of {counted} keep failing, so that none of them goes on: {named}"),
    N_("after a restore these accounts doubt each key, until they are told that all was started again: {accounts}"),
    N_("whether these accounts wait after a restore is not known, as they do not answer: {accounts}"),
    N_("{whose} is right by {others}"),
    N_("{number} for workflows and {most} for activities"),
    N_("1 account"),
    N_("{number} accounts"),
    N_("1 workflow"),
    N_("{number} workflows"),
    N_("{number} days"),
    N_("no worker answered within {within}"),
)
"""Of Temporal, of the workers and of clocks."""

OF_ACCOUNT: Final = (
    N_("the workers have it as the {kind} account {appid}; it is frozen by {by} since {at}: {reason}"),
    N_("the workers have it as the {kind} account {appid}"),
    N_("the workers have {found} under this name, this configuration has {appid}"),
    N_("Nothing of it is submitted until: {typed}"),
    N_("the tasks of {workflow_id} keep failing{causes}: nothing of the account is submitted until one succeeds"),
    N_("it has none yet: the first send starts {workflow_id}"),
    N_(
        "{workflow_id} is on the task queue {found}, and this configuration names {queue}: nobody polls {same}, so that"
        " every send of the account waits"
    ),
    N_("{workflow_id} is on the task queue {found}, and this configuration names {queue}"),
    N_("{workflow_id} is on the task queue {queue}"),
    N_("Keep a worker on {queue}, or name it as the task queue again: without one every send would wait."),
    N_("Name {queue} as the task queue again, or run a worker for it as well ({variable})."),
    N_("no access token could be had: {said}"),
    N_("an access token was had ({source})"),
    N_("an access token is still good ({source})"),
    N_("WeChat does not take calls from the worker's address {address}: {said}"),
    N_("WeChat does not take calls from the worker's address: {said}"),
    N_("Put {address} on the account's IP whitelist in {console}, and wait some minutes."),
    N_("used up: {said}"),
    N_("at most {left} of {limit} sends to all left this {state}; {more}"),
    N_("{left} of {limit} sends to all left this {state}; {more}"),
    N_("{left} of {limit} calls of sendall and send left this {state}"),
    N_("Sends that hit the limit wait, or ask (`quota` of the account); there is more {at}."),
    N_("Repeat this, or look at {typed}"),
    N_("WeChat does not tell of {path}: {said}"),
    N_("sends are not counted: {said}"),
    N_("{whose} could not be read: {said}"),
    N_("the store at {uri} cannot be used: {said}"),
    N_("the store cannot be used: {said}"),
    N_("{uri} creates once, reads parts, lists and removes"),
    N_("it cannot be read: {said}"),
    N_("it cannot be written: {said}"),
    N_("no receiver listens on this machine ({address})"),
    N_("left out, as the system behind forward_to would get it ({more})"),
    N_("left out, as it would start the account's own workflow ({more})"),
    N_("a push in {mode} mode was answered with success in {number} ms"),
    N_("a push in {mode} mode was answered in {number} ms by {more}"),
    N_("answered {status} without a word"),
    N_("verified, as WeChat does it, in {number} ms"),
    N_("no answer within {within}"),
    N_("no answer ({error})"),
    N_("wechat: {said}; url: {more}"),
    N_("wechat: {said}"),
    N_("url: {said}"),
    N_("push: {said}"),
    N_("WeChat finds the host at {address}"),
    N_("{address} does not answer WeChat's ping: nothing is wrong where it answers no ping at all."),
    N_("the push stands in the history of {workflow_id}: {link}"),
    N_("the push stands in the history of {workflow_id}"),
    N_("the push was answered, but is not in the history of {workflow_id}"),
    N_(
        "The receiver uses another Temporal than this command ({address}, namespace {namespace}), has another appid"
        " under this name, or something else answers in its place."
    ),
    N_("no worker polls the task queue {queue}"),
    N_("the workers refuse: {said}"),
    N_("receiver.port is 0, so nobody knows where the receiver listens: say it with {option}."),
    N_("{option} {url} is no URL: {error}."),
    N_("{option} must be the callback's whole URL, such as https://your.host/wechat/{account}."),
)
"""Of one account, and of its callback."""
