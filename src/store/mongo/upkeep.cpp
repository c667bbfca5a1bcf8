#include <algorithm>

#include "store/mongo/documents.hpp"
#include "store/mongo/queries.hpp"
#include "store/mongo/shared.hpp"
#include "store/mongo/snapshot_writer.hpp"
#include "store/mongo/summaries.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::mongo {
namespace {

constexpr std::int64_t sweep_chunks_max = 1000;
constexpr std::int64_t convert_documents_max = 1000;

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

Result<bool> convert_documents(Shared& shared, const Lease& lease) {
  const auto progress = shared.collection(lease, progress_name);
  Bson text, updated, created, none, stateless, dated, undated, filter, fields, options;
  text.text("$type", "string");
  updated.document("updatedAt", text);
  created.document("createdAt", text);
  none.boolean("$exists", false);
  stateless.document("state", none);
  // Where no time can be read, none is made up: retention would take the file for old.
  dated.time("$gt", Timestamp{});
  undated.boolean("isCompleted", true).document("completedAt", none).document("version", none);
  undated.document("updatedAt", dated);
  auto lacking = both_in_array(updated, created);
  for (const auto* one : {&stateless, &undated})
    lacking.add([&](Bson& array, std::string_view key) { array.document(key, *one); });
  filter.array("$or", lacking.get());
  for (const std::string_view name :
       {"clientKrn", "filename", "email", "createdAt", "updatedAt", "isCompleted", "completedAt", "version"})
    fields.small(name, 1);
  options.document("projection", fields).integer("limit", convert_documents_max);
  const Bulk bulk{mongoc_collection_create_bulk_operation_with_opts(progress.get(), nullptr)};
  std::int64_t count = 0;
  PEBBLES_TRY_VOID(find(progress.get(), filter, options, [&](const bson_t* document) {
    Bson which, times, change;
    Timestamp last;
    bool is_completed = false, has_completion = false;
    each_member(document, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "createdAt" || name == "updatedAt") {
        const auto time = time_of(member);
        last = std::max(last, time.time);
        if (!time.is_text) return;
        // Only while the text stands there: an update that came in between has dates.
        which.text(name, text_of(member));
        times.time(name, time.time);
      } else if (name == "completedAt" || name == "version") {
        has_completion = true;  // or will have it when it completes
      } else {
        if (name == "isCompleted") is_completed = BSON_ITER_HOLDS_BOOL(&member) && bson_iter_bool(&member);
        bson_append_iter(which.get(), nullptr, -1, &member);
      }
    });
    // As it is read: nothing has changed it since it was complete.
    if (is_completed && !has_completion && last > Timestamp{}) times.time("completedAt", last);
    times.document("state", state_expression());
    change.document("$set", times);
    BsonArray pipeline;
    pipeline.add([&](Bson& array, std::string_view key) { array.document(key, change); });
    bson_error_t error;
    if (mongoc_bulk_operation_update_one_with_opts(bulk.get(), which.get(), pipeline.get().get(), nullptr, &error))
      ++count;
    return true;
  }));
  if (count == 0) return false;
  bson_t reply;
  bson_error_t error;
  const bool good = mongoc_bulk_operation_execute(bulk.get(), &reply, &error) != 0;
  bson_destroy(&reply);
  if (!good) return std::unexpected{Fault::of(error, nullptr).to_error()};
  return count == convert_documents_max;
}

}  // namespace pebbles::store::mongo
