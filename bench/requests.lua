-- Sends the requests of a file in turn, one line each: METHOD, path and, where there is one, the JSON body. With a third
-- argument "signed" an access token stands in the place of the body.
-- Prints one line of figures at the end: RESULT requests seconds p50 p95 p99 refused broken (times in microseconds).

local prepared, position, kept_alive = {}, 0, nil

function init(arguments)
  local headers = {
    ["Content-Type"] = "application/fhir+json",
    ["Accept"] = "application/fhir+json",
  }
  for line in io.lines(arguments[1]) do
    local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
    if body == "" then body = nil end
    if arguments[3] == "signed" then
      headers["Authorization"] = "Bearer " .. body
      body = nil
    end
    prepared[#prepared + 1] = wrk.format(method, path, headers, body)
  end
  -- A warm-up starts elsewhere in the file than the run that is measured.
  position = tonumber(arguments[2] or "0") % #prepared
end

function request()
  position = position % #prepared + 1
  return prepared[position]
end

function done(summary, latency, requests)
  local broken = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  print(string.format("RESULT %d %.6f %.0f %.0f %.0f %d %d",
    summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(95), latency:percentile(99),
    summary.errors.status, broken))
end
