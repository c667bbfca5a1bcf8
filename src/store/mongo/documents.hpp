#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "store/event_store.hpp"
#include "store/mongo/bson.hpp"

/// How snapshots and chunks look in MongoDB (docs/log-format.md). Every filter on a stream has `clientKrn` and
/// `filename` at its top level, so that a sharded collection sends it to one shard.
namespace pebbles::store::mongo {

/// What lists are ordered by in the database: a snapshot's `updatedAt` is its time cut to this, and its exact time
/// stands beside it. Two indexes have `updatedAt` in their keys, and moving a document in them is half of what an
/// update costs the server: so it moves ten times a second at most. Who reads a list puts what is equal in order.
inline constexpr std::chrono::milliseconds list_grain{100};
[[nodiscard]] inline Timestamp list_time(Timestamp time) {
  const auto since = time.time_since_epoch();
  return Timestamp{std::chrono::floor<std::chrono::duration<std::int64_t, std::ratio<1, 10>>>(since)};
}
static_assert(list_grain == std::chrono::duration<std::int64_t, std::ratio<1, 10>>{1});

/// {clientKrn, filename}
[[nodiscard]] Bson stream_filter(const StreamId& stream);
/// {clientKrn, filename, first}: the `_id` of a chunk.
[[nodiscard]] Bson chunk_id(const StreamId& stream, Version first);
/// The chunks of a stream with a first version of at least `first`.
[[nodiscard]] Bson chunks_from(const StreamId& stream, Version first);

[[nodiscard]] Bson chunk_document(const Append& append, bool open);

/// A whole snapshot as a document to insert.
[[nodiscard]] Bson snapshot_document(const Snapshot& snapshot);
/// {$set: …} of all that a snapshot holds but its names, for one that is replaced whatever stood there.
[[nodiscard]] Bson snapshot_update(const Snapshot& after);
/// {$set: …} of what differs from the snapshot that stands there.
[[nodiscard]] Bson snapshot_update(const Snapshot& before, const Snapshot& after);

/// A snapshot as found. The earlier service's documents have no version; their times are texts, and their errors may be
/// grouped by pattern: they are read as they are, with all their items, so that `domain::adopt` keeps them.
struct StoredSnapshot {
  std::shared_ptr<Snapshot> snapshot;
  bool has_text_times = false;
};
/// Error: store_corrupt when it isn't a document of ours or of the earlier service.
[[nodiscard]] Result<StoredSnapshot> read_snapshot(const bson_t* document);

struct StoredChunk {
  StreamId stream;
  Chunk chunk;  ///< its events only from `read_whole_chunk`
  std::int64_t events = 0;
  std::string text;
  std::uint64_t at = 0;  ///< seconds in the upper half, increment in the lower
};
/// Error: store_corrupt.
[[nodiscard]] Result<StoredChunk> read_chunk(const bson_t* document);
/// The same with its events, read from the text. Error: store_corrupt.
[[nodiscard]] Result<StoredChunk> read_whole_chunk(const bson_t* document);

}  // namespace pebbles::store::mongo
