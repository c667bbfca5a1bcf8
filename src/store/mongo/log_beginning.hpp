#pragma once
#include <optional>

#include "store/mongo/prune_step.hpp"

namespace pebbles::store::mongo {

/// The first chunk of a log, with what pruning notes in it (docs/log-format.md).
struct LogBeginning {
  StoredChunk stored;
  Version left = 0;  ///< chunks that the baseline covers have still to go, from this first version on; 0: none
  std::optional<Timestamp> keys_until;  ///< its own keys stay until then; absent: as long as the tombstone
  std::optional<Timestamp> deleted_at;  ///< it is what a deleted file left
  Version deleted_version = 0;
  ServerTime held_at = 0;  ///< a commit was about to begin a new life on it (writer.cpp)
  std::optional<Timestamp> due;

  /// Exactly this one, as it was read.
  [[nodiscard]] Bson filter() const;
};

/// Error: store_corrupt.
[[nodiscard]] Result<LogBeginning> read_beginning(const bson_t* document);
/// {projection: …}: enough for `read_beginning` but for the texts, which may be long.
[[nodiscard]] Bson without_texts();

/// That of a stream's log, with its text; nothing where there is none. Errors: store_unavailable, store_corrupt.
[[nodiscard]] Result<std::optional<LogBeginning>> find_beginning(mongoc_collection_t* events, const StreamId& stream);

}  // namespace pebbles::store::mongo
