-- Requests of the POST benchmarks. Settings come as environment variables, so that every run says what it did.
local files = tonumber(os.getenv("BENCH_FILES") or "200")
local keyed = os.getenv("BENCH_KEYED") == "1"
local pause_ms = tonumber(os.getenv("BENCH_PAUSE_MS") or "0")
local token = os.getenv("BENCH_TOKEN")
local run = os.getenv("BENCH_RUN") or "0"
local names = os.getenv("BENCH_NAMES") or "sales_data"
local clients = tonumber(os.getenv("BENCH_CLIENTS") or "1")
-- So many requests are made in advance; more would not fit into the memory that Lua has here.
local made_max = 100000

local bodies = {}
local ready = {}
local sent = 0

local function headers(key)
  local out = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. token }
  if key then out["Idempotency-Key"] = key end
  return out
end

-- Each file is of one client.
local function path(i)
  return string.format("/clients/krn:acme:client:%d/progress", 123 + i % clients)
end

local function body(i)
  return string.format('{"filename":"%s_%d.csv","counts":{"done":500,"warn":2,"failed":1},"total":10000000}', names, i)
end

function init()
  math.randomseed(42 + tonumber(run))
  for i = 1, math.min(files, made_max) do
    bodies[i] = body(i)
    if not keyed then ready[i] = wrk.format("POST", path(i), headers(nil), bodies[i]) end
  end
end

function request()
  local i = math.random(files)
  if not keyed then return ready[i] or wrk.format("POST", path(i), headers(nil), body(i)) end
  sent = sent + 1
  return wrk.format("POST", path(i), headers(string.format('"%s-%09d-%08x"', run, sent, math.random(0, 0x7fffffff))), bodies[i] or body(i))
end

if pause_ms > 0 then
  -- Exponential, as the gaps between independent workers are. Even pauses would march in step: answers that leave
  -- together would come back as one burst of requests.
  function delay()
    return math.floor(-pause_ms * math.log(1 - math.random()) + math.random())
  end
end

dofile(os.getenv("BENCH_FOLDER") .. "/report.lua")
