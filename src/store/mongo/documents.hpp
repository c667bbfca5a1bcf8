#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

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

/// {first, hash}, as `head` and `prev` are, and back.
[[nodiscard]] Bson reference(const ChunkRef& ref);
[[nodiscard]] ChunkRef reference_of(const bson_iter_t& iterator);

[[nodiscard]] Bson chunk_document(const Append& append);

/// A whole snapshot as a document to insert; of a deleted file, its tombstone. That has no owner and no `updatedAt`, so
/// it is in no list, and in nobody's way under the unique names.
[[nodiscard]] Bson snapshot_document(const Snapshot& snapshot);
/// {$set: …} of all that a snapshot holds but its names, for one that is replaced whatever stood there.
[[nodiscard]] Bson snapshot_update(const Snapshot& after);
/// {$set: …} of what differs from the snapshot that stands there.
[[nodiscard]] Bson snapshot_update(const Snapshot& before, const Snapshot& after);

/// What hides the document of a life that is over, where its tombstone is not known: it says nothing but that, and is
/// never the stream's state. `next` is a state of a later life.
[[nodiscard]] Bson remains_document(const domain::FileId& ended, const Snapshot& next);
/// The version that stands in it: what was written of that life lies before, and the later one behind.
[[nodiscard]] Version version_of_remains(const Snapshot& next);

/// A date, or a text that the earlier service wrote in its place; the beginning of 1970 for anything else.
struct StoredTime {
  Timestamp time;
  bool is_text = false;
};
[[nodiscard]] StoredTime time_of(const bson_iter_t& iterator);

/// A snapshot as found. The earlier service's documents have no version; their times are texts, and their errors may be
/// grouped by pattern: they are read as they are, with all their items, so that `domain::adopt` keeps them.
struct StoredSnapshot {
  std::shared_ptr<Snapshot> snapshot;
  bool has_text_times = false;
  bool is_remains = false;  ///< of a life that is over: see `remains_document`
};
/// Error: store_corrupt, with the document's name and the reason, when it isn't one of ours or of the earlier service:
/// a value of another type or out of its range never becomes another.
[[nodiscard]] Result<StoredSnapshot> read_snapshot(const bson_t* document);
/// For people: the collection, and what the document has of `_id`, client and file.
[[nodiscard]] std::string name_of_document(const bson_t* document);
/// Of a document that cannot be read: empty where it has no such text.
[[nodiscard]] StreamId stream_in(const bson_t* document);

/// A key whose event is gone from the log.
struct KeptKey {
  ShortDigest hash{};
  domain::KeyHit hit;
};

/// What the first chunk of a log tells of its baseline (log_beginning.hpp).
struct Cut {
  Version version = 0;   ///< chunks behind the first that begin at or below it are covered: nobody reads them
  ChunkRef head;         ///< what the chunk behind it names as its predecessor
  std::uint64_t at = 0;  ///< when it was made, as a chunk's `at`
};

struct StoredChunk {
  StreamId stream;
  Chunk chunk;              ///< its events only from `read_whole_chunk`
  std::int64_t events = 0;  ///< 0: it was stripped, only keys are left of it
  std::string text;
  std::uint64_t at = 0;  ///< seconds in the upper half, increment in the lower; 0 for baselines and what was stripped
  std::optional<Cut> cut = {};
  std::vector<KeptKey> kept = {};
};
/// Error: store_corrupt.
[[nodiscard]] Result<StoredChunk> read_chunk(const bson_t* document);
/// The same with its events, read from the text. Error: store_corrupt.
[[nodiscard]] Result<StoredChunk> read_whole_chunk(const bson_t* document);

/// The keys of a chunk's events with what they lead to, in the order of its member `keys`. Precondition: decoded.
[[nodiscard]] std::vector<KeptKey> keys_of(const Chunk& chunk);
/// As `kept` beside `keys`: version (eight bytes, the lowest first) and fingerprint of each.
[[nodiscard]] std::vector<std::uint8_t> pack_kept(const std::vector<KeptKey>& keys);

}  // namespace pebbles::store::mongo
