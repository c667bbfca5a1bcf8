-- Requests of the benchmarks of reads: one record, asked for again and again.
local path = os.getenv("BENCH_PATH")
local known = os.getenv("BENCH_KNOWN_TAG")

function request()
  return wrk.format("GET", path, known and { ["If-None-Match"] = known } or {}, nil)
end

dofile(os.getenv("BENCH_FOLDER") .. "/report.lua")
