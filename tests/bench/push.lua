-- Sends the requests that a file holds, in their order, and tells what came of it as one line of JSON.
-- wrk … -s push.lua URL -- FILE FIRST     FILE: a request a line, target, tab, body; FIRST counts from 1.

local sent, requests = 0, {}

function init(args)
  local path, first = args[1], tonumber(args[2])
  for line in io.lines(path) do
    local target, body = line:match("^([^\t]*)\t(.*)$")
    requests[#requests + 1] = wrk.format("POST", target, { ["Content-Type"] = "text/xml" }, body)
  end
  sent = first - 1
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
