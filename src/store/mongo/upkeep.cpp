#include <algorithm>

#include "store/mongo/documents.hpp"
#include "store/mongo/queries.hpp"
#include "store/mongo/shared.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::mongo {
namespace {

constexpr std::int64_t sweep_chunks_max = 1000;
constexpr std::int64_t convert_documents_max = 1000;

/// The newest state of a stream: its snapshot and the chunks behind it. Null without any.
Result<SnapshotPtr> newest(mongoc_collection_t* progress, mongoc_collection_t* events, const StreamId& stream) {
  PEBBLES_TRY(found, find_snapshots(progress, std::span{&stream, 1}));
  const auto known = found.find(stream);
  auto state = known == found.end() ? std::make_shared<Snapshot>() : known->second;
  state->stream = stream;
  PEBBLES_TRY(chunks, find_chunks(events, stream, state->progress.version + 1));
  for (const auto& chunk : chunks) {
    if (chunk.first != state->progress.version + 1 || chunk.prev != state->head)
      return failure(Errc::store_corrupt, "the log has a gap behind a snapshot");
    for (const auto& event : chunk.events) state->progress = evolve(std::move(state->progress), event);
    state->head = {.first = chunk.first, .hash = chunk.hash};
  }
  return SnapshotPtr{std::move(state)};
}

/// Puts a state where an older one stands, or none.
Result<void> follow(mongoc_collection_t* progress, const Snapshot& state) {
  Bson filter, older, options, owner;
  filter.object_id("_id", state.progress.id);
  filter.text("clientKrn", *state.stream.client).text("filename", *state.stream.filename);
  Bson less, none, by_version, without;
  less.integer("$lt", state.progress.version);
  none.boolean("$exists", false);
  by_version.document("version", less).integer("rev", state.rev);
  without.document("version", none);
  BsonArray either;
  either.add([&](Bson& array, std::string_view key) { array.document(key, by_version); });
  either.add([&](Bson& array, std::string_view key) { array.document(key, without); });
  filter.array("$or", either.get());
  auto change = snapshot_update(state);
  owner.text("email", *state.progress.owner);
  change.document("$setOnInsert", owner);
  options.boolean("upsert", true);
  bson_error_t error;
  if (mongoc_collection_update_one(progress, filter.get(), change.get(), options.get(), nullptr, &error)) return {};
  if (error.code == duplicate_key) return {};  // a newer one stands there
  return std::unexpected{Fault::of(error, nullptr).to_error()};
}

}  // namespace

Result<void> sweep(Shared& shared, const Lease& lease) {
  PEBBLES_TRY(now, shared.server_time(lease));
  const auto events = shared.collection(lease, events_name);
  const auto progress = shared.collection(lease, progress_name);
  Bson before, filter, options, fields;
  before.timestamp("$lt", static_cast<std::uint32_t>((now >> 32U) - sweep_after_s), 0);
  filter.boolean("open", true).document("at", before);
  fields.small("_id", 1).small("format", 1);
  options.document("projection", fields).integer("limit", sweep_chunks_max);
  std::vector<ChunkQuery> found;
  PEBBLES_TRY_VOID(find(events.get(), filter, options, [&](const bson_t* document) {
    if (auto chunk = read_chunk(document))
      found.push_back({.stream = std::move(chunk->stream), .first = chunk->chunk.first});
    return true;
  }));
  std::unordered_set<StreamId> done;
  for (const auto& chunk : found) {
    if (done.insert(chunk.stream).second) {
      PEBBLES_TRY(state, newest(progress.get(), events.get(), chunk.stream));
      PEBBLES_TRY_VOID(follow(progress.get(), *state));
    }
    Bson which = stream_filter(chunk.stream), member, change;
    which.document("_id", chunk_id(chunk.stream, chunk.first));
    member.text("open", "");
    change.document("$unset", member);
    bson_error_t error;
    if (!mongoc_collection_update_one(events.get(), which.get(), change.get(), nullptr, nullptr, &error))
      return std::unexpected{Fault::of(error, nullptr).to_error()};
  }
  if (!found.empty()) telemetry::chunks_swept(static_cast<std::int64_t>(found.size()));
  return {};
}

Result<bool> convert_times(Shared& shared, const Lease& lease) {
  const auto progress = shared.collection(lease, progress_name);
  Bson text, updated, created, filter, fields, options;
  text.text("$type", "string");
  updated.document("updatedAt", text);
  created.document("createdAt", text);
  BsonArray either;
  either.add([&](Bson& array, std::string_view key) { array.document(key, updated); });
  either.add([&](Bson& array, std::string_view key) { array.document(key, created); });
  filter.array("$or", either.get());
  for (const std::string_view name : {"clientKrn", "filename", "email", "createdAt", "updatedAt"})
    fields.small(name, 1);
  options.document("projection", fields).integer("limit", convert_documents_max);
  const Bulk bulk{mongoc_collection_create_bulk_operation_with_opts(progress.get(), nullptr)};
  std::int64_t count = 0;
  PEBBLES_TRY_VOID(find(progress.get(), filter, options, [&](const bson_t* document) {
    Bson which, times, change;
    each_member(document, [&](std::string_view name, const bson_iter_t& member) {
      if (name == "createdAt" || name == "updatedAt") {
        if (!BSON_ITER_HOLDS_UTF8(&member)) return;
        // Only while the text stands there: an update that came in between has dates.
        which.text(name, text_of(member));
        times.time(name, from_rfc3339(text_of(member)).value_or(Timestamp{}));
      } else {
        bson_append_iter(which.get(), nullptr, -1, &member);
      }
    });
    change.document("$set", times);
    bson_error_t error;
    if (mongoc_bulk_operation_update_one_with_opts(bulk.get(), which.get(), change.get(), nullptr, &error)) ++count;
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
