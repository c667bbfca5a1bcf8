#include <algorithm>

#include "store/mongo/documents.hpp"
#include "store/mongo/queries.hpp"
#include "store/mongo/shared.hpp"
#include "store/mongo/snapshot_writer.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::mongo {
namespace {

constexpr std::int64_t sweep_chunks_max = 1000;

/// The streams of a page of chunks, and how far their log has come by these.
struct ChunkPage {
  std::unordered_map<StreamId, Version> ends;
  std::int64_t chunks = 0;
  ServerTime last = 0;
};

Result<ChunkPage> read_page(mongoc_collection_t* events, ServerTime from) {
  Bson behind, filter, order, fields, options;
  append_time(behind, "$gte", from);
  filter.document("at", behind);
  order.small("at", 1);
  for (const std::string_view name : {"_id", "format", "n", "at"}) fields.small(name, 1);
  options.document("sort", order).document("hint", order).document("projection", fields);
  options.integer("limit", sweep_chunks_max);
  ChunkPage page;
  PEBBLES_TRY_VOID(find(events, filter, options, [&](const bson_t* document) {
    const auto stored = read_chunk(document);
    if (!stored) return true;
    ++page.chunks;
    page.last = stored->at;
    auto& end = page.ends[stored->stream];
    end = std::max(end, stored->chunk.first + stored->events - 1);
    return true;
  }));
  return page;
}

}  // namespace

Result<void> sweep(Shared& shared, const Lease& lease, ServerTime from) {
  const auto events = shared.collection(lease, events_name);
  const auto progress = shared.collection(lease, progress_name);
  std::int64_t caught_up = 0;
  for (;;) {
    PEBBLES_TRY(page, read_page(events.get(), from));
    std::vector<StreamId> streams;
    streams.reserve(page.ends.size());
    for (const auto& [stream, end] : page.ends) streams.push_back(stream);
    PEBBLES_TRY(places, find_places(progress.get(), streams));
    for (const auto& [stream, end] : page.ends) {
      const auto place = places.find(stream);
      if (place != places.end() && place->second.version >= end) continue;
      PEBBLES_TRY_VOID(catch_up(progress.get(), events.get(), stream));
      ++caught_up;
    }
    if (page.chunks < sweep_chunks_max) break;
    PEBBLES_TRY_VOID(shared.beat(lease));  // a long way must not look like silence
    from = page.last + 1;
  }
  if (caught_up > 0) telemetry::snapshots_caught_up(caught_up);
  return {};
}

}  // namespace pebbles::store::mongo
