#pragma once
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "store/mongo/documents.hpp"
#include "store/mongo/driver.hpp"

/// The finds that more than one part needs. Each names client and file, so that a sharded collection sends it to one
/// shard. Errors of all: store_unavailable, store_corrupt.
namespace pebbles::store::mongo {

/// Calls `take` with each snapshot that a find gives, until it says false.
template <class Take>
Result<void> collect_snapshots(mongoc_collection_t* progress, const Bson& filter, const Bson& options,
                               const mongoc_read_prefs_t* prefs, Take&& take) {
  std::optional<Error> bad;
  PEBBLES_TRY_VOID(find(
      progress, filter, options,
      [&](const bson_t* document) {
        auto read = read_snapshot(document);
        if (read) return take(std::move(read->snapshot));
        bad = read.error();
        return false;
      },
      prefs));
  if (bad) return std::unexpected{*std::move(bad)};
  return {};
}

/// Why the document of a stream cannot be read.
using UnreadableStreams = std::unordered_map<StreamId, std::string>;

/// Those that are there, as they are there. Of several documents of one name, one is the stream's state: the newest
/// where a life has ended and another begun; where the earlier service left two owners of one file, the earlier
/// created. One that cannot be read fails the call, or, where `unreadable` is given, is told there, and why: then its
/// stream is not among the others.
Result<std::unordered_map<StreamId, std::shared_ptr<Snapshot>>> find_snapshots(
    mongoc_collection_t* progress, std::span<const StreamId> streams, const mongoc_read_prefs_t* prefs = nullptr,
    UnreadableStreams* unreadable = nullptr);

/// Where a snapshot stands.
struct Place {
  std::int64_t rev = 0;
  Version version = 0;
  ChunkRef head;
  domain::FileId id{};
  bool is_deleted = false;
};
/// Of each that has a log behind it.
Result<std::unordered_map<StreamId, Place>> find_places(mongoc_collection_t* progress,
                                                        std::span<const StreamId> streams);

/// Which of them have a log: one that begins anywhere but with a chunk of first version 1 there is none.
Result<std::unordered_set<StreamId>> streams_with_log(mongoc_collection_t* events, std::span<const StreamId> streams);

/// A state that something is to be appended to: its version, and the chunk that made it.
struct Predecessor {
  StreamId stream;
  Version version = 0;
  ChunkRef head;
  bool is_held = false;  ///< where the log is a baseline of just this state, it counts only with a mark (`heldAt`)
};
/// Which of these states the log still leads to, so that what is behind them, if anything is, stands too: that a
/// version is free in the log says nothing where the log was cut.
Result<std::vector<bool>> find_predecessors(mongoc_collection_t* events, std::span<const Predecessor> queries);

/// The baseline with which a stream's log begins, if it was cut.
Result<std::optional<Cut>> find_cut(mongoc_collection_t* events, const StreamId& stream);
/// The same of each that has a log.
Result<std::unordered_map<StreamId, std::optional<Cut>>> find_cuts(mongoc_collection_t* events,
                                                                   std::span<const StreamId> streams);

/// The chunks of a stream from a version on, decoded. From 1 on they begin with the baseline, if there is one, and
/// leave out what it stands for.
Result<std::vector<Chunk>> find_chunks(mongoc_collection_t* events, const StreamId& stream, Version from,
                                       const mongoc_read_prefs_t* prefs = nullptr);

/// Brings a state to where its log is; one without snapshot is null before, and afterwards where it has no log. The log
/// may have been cut behind a state that is old, of a secondary that lags say: then it is read from its beginning.
Result<void> read_on(mongoc_collection_t* events, const StreamId& stream, std::shared_ptr<Snapshot>& state,
                     const mongoc_read_prefs_t* prefs = nullptr);

Result<std::vector<std::optional<domain::KeyHit>>> find_key_hits(mongoc_collection_t* events,
                                                                 std::span<const KeyQuery> queries);

Result<std::vector<std::optional<Token>>> find_chunk_tokens(mongoc_collection_t* events,
                                                            std::span<const ChunkQuery> queries);

/// Whether `a`, of two documents of one name, is the stream's: the one with the newer log, else the one created first.
[[nodiscard]] bool precedes(const Snapshot& a, const Snapshot& b);

}  // namespace pebbles::store::mongo
