#pragma once
#include <boost/container/devector.hpp>
#include <cstdint>
#include <map>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "store/event_store.hpp"
#include "store/progress_reader.hpp"

namespace pebbles::store::sqlite {

/// A chunk that stands in the log but not yet in `stream_chunks`, nor its keys in `event_keys`.
struct RecentChunk {
  Version first = 0;
  std::int64_t seq = 0;
  std::vector<ShortDigest> keys;

  /// What writing it out costs, in index rows.
  [[nodiscard]] std::size_t rows() const { return 1 + keys.size(); }
};

/// A stream with chunks in the log whose index rows and snapshot are not written yet.
struct RecentStream {
  std::int64_t row = 0;  ///< in `streams`
  SnapshotPtr latest;
  boost::container::devector<RecentChunk> chunks;  ///< never empty; grows at its end and shrinks at its beginning
  std::unordered_map<ShortDigest, std::int64_t, domain::DigestHash> keys;  ///< to the chunk's seq
  std::vector<domain::FileId> ids;  ///< by which it is found: of its file, and of those deleted since it is here
  SnapshotPtr deleted;              ///< the state in which its file was deleted last, if that is not written out yet
  bool items_changed = false;       ///< kept errors or warnings differ from those in `progress_items`
  std::size_t bytes = 0;

  /// Index rows that wait.
  [[nodiscard]] std::size_t rows() const { return chunks.size() + keys.size(); }
  /// A bound for the memory that it takes here, with its entries in the four indexes.
  [[nodiscard]] std::size_t memory() const;
};

/// The part of the store that lives in memory: what the log holds beyond the tables that follow from it. It is to the
/// log what a memtable is to a log-structured store: a commit appends to the log alone, in ascending order, and
/// snapshots and indexes are written later, many updates of a stream at once. After a crash it is made again from the
/// log. Bounded: the writer writes the oldest out as new ones come in.
/// Threads: one writer, which alone calls the non-const functions; any number of readers.
class RecentStreams {
 public:
  /// A committed chunk joins its stream.
  struct Change {
    std::int64_t row = 0;
    SnapshotPtr after;
    RecentChunk chunk;
    bool items_changed = false;
  };
  /// The first `chunks` chunks of a stream, and its snapshot, were written out.
  struct Written {
    StreamId stream;
    std::size_t chunks = 0;
  };

  /// Both as one step for readers, `written` first. The rows of what was written are committed before.
  void apply(const std::vector<Written>& written, std::vector<Change> changes);

  // For the writer, which needs no lock against itself.
  [[nodiscard]] const RecentStream* find(const StreamId& stream) const;
  /// The streams by the seq of their oldest chunk here.
  [[nodiscard]] const std::map<std::int64_t, StreamId>& by_age() const { return by_age_; }
  /// Index rows that wait, and a bound for the bytes held.
  [[nodiscard]] std::size_t row_count() const noexcept { return row_count_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  // For readers.
  [[nodiscard]] SnapshotPtr latest(const StreamId& stream) const;
  [[nodiscard]] SnapshotPtr latest(const domain::ClientKrn& client, const domain::FileId& id) const;
  /// A stream's newest state, and its row in `streams`.
  struct Latest {
    std::int64_t row = 0;
    SnapshotPtr snapshot;
  };
  [[nodiscard]] std::vector<Latest> of_client(const domain::ClientKrn& client) const;
  /// The seqs of the first `chunks_max` chunks here that may hold versions above `after`, in order.
  [[nodiscard]] std::vector<std::int64_t> seqs(const StreamId& stream, Version after, std::size_t chunks_max) const;

 private:
  using Streams = std::unordered_map<StreamId, RecentStream>;
  void take_out(const Written& written);
  void take_in(Change change);
  void forget(Streams::iterator entry);

  mutable std::shared_mutex mutex_;
  Streams streams_;
  std::unordered_map<std::string, std::unordered_set<StreamId>> by_client_;
  std::unordered_map<std::string, StreamId> by_id_;  // key: id and client
  std::map<std::int64_t, StreamId> by_age_;
  std::size_t row_count_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace pebbles::store::sqlite
