#pragma once
#include <memory>
#include <string>

#include "base/result.hpp"
#include "store/event_store.hpp"
#include "store/mongo/bson.hpp"

/// How snapshots and chunks look in MongoDB (docs/log-format.md). Every filter on a stream has `clientKrn` and
/// `filename` at its top level, so that a sharded collection sends it to one shard.
namespace pebbles::store::mongo {

/// {clientKrn, filename}
[[nodiscard]] Bson stream_filter(const StreamId& stream);
/// {clientKrn, filename, first}: the `_id` of a chunk.
[[nodiscard]] Bson chunk_id(const StreamId& stream, Version first);
/// The chunks of a stream with a first version of at least `first`.
[[nodiscard]] Bson chunks_from(const StreamId& stream, Version first);

[[nodiscard]] Bson chunk_document(const Append& append);

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
