-- Load for bench/accept.py: one event a request, each with a key of its own, 632 bytes (given by the environment).
local kind = os.getenv("TOCSIN_BENCH_KIND")
local key = os.getenv("TOCSIN_BENCH_KEY")
local size = tonumber(os.getenv("TOCSIN_BENCH_BYTES"))
local threads = 0
local head = { ["Content-Type"] = "application/json" }

function setup(thread)
  thread:set("me", threads)
  threads = threads + 1
end

local function body(mark, pad)
  if kind == "alertmanager" then
    return '[{"labels":{"alertname":"DiskFull","severity":"critical","instance":"' .. mark ..
      '","job":"node"},"annotations":{"summary":"The disk of this machine is nearly full","note":"' .. pad ..
      '"},"generatorURL":"http://prometheus.example.org/graph"}]'
  end
  return '{"routing_key":"' .. key .. '","event_action":"trigger","dedup_key":"' .. mark ..
    '","client":"Monitor","client_url":"https://monitor.example.org","payload":{"summary":"The disk of this machine is nearly full",' ..
    '"source":"db-3.example.org","severity":"critical","timestamp":"2026-11-23T08:42:58.315+0000","component":"postgres",' ..
    '"group":"prod","class":"disk","custom_details":{"free":"1%","load":0.75,"note":"' .. pad .. '"}}}'
end

function init(args)
  sent = 0
  path = kind == "alertmanager" and "/api/v2/alerts" or "/v2/enqueue"
  pad = string.rep("x", size - #body("host-0-000000000", ""))
end

function request()
  sent = sent + 1
  return wrk.format("POST", path, head, body(string.format("host-%d-%09d", me, sent), pad))
end

function done(summary, latency, requests)
  io.write(string.format('RESULT {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"worst":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
