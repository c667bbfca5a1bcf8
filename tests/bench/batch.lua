-- Requests of the benchmark of batches: of files and counts as post.lua has them.
local files = tonumber(os.getenv("BENCH_FILES"))
local updates = tonumber(os.getenv("BENCH_UPDATES"))
local run = os.getenv("BENCH_RUN")
local made = 16

local ready = {}

local function update()
  return string.format('{"filename":"sales_data_%d.csv","counts":{"done":500,"warn":2,"failed":1},"total":10000000}',
                       math.random(files))
end

local function body()
  local out = {}
  for i = 1, updates do out[i] = update() end
  return "[" .. table.concat(out, ",") .. "]"
end

function init()
  math.randomseed(42 + tonumber(run))
  local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN") }
  if os.getenv("BENCH_MINIMAL") == "1" then headers["Prefer"] = "return=minimal" end
  for i = 1, made do ready[i] = wrk.format("POST", "/clients/krn:acme:client:123/progress/batch", headers, body()) end
end

function request()
  return ready[math.random(made)]
end

dofile(os.getenv("BENCH_FOLDER") .. "/report.lua")
