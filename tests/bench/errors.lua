-- One report, sent again and again.
local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN"),
                  ["Prefer"] = "return=minimal" }
local made = nil

function init()
  made = wrk.format("POST", "/clients/krn:acme:client:123/progress", headers, os.getenv("BENCH_BODY"))
end

function request()
  return made
end

dofile(os.getenv("BENCH_FOLDER") .. "/report.lua")
