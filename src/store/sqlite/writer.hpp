#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "store/sqlite/cutter.hpp"
#include "store/sqlite/database.hpp"

namespace pebbles::store::sqlite {

/// The lane's side of the embedded store. A commit appends chunks to `progress_events` and nothing else that grows
/// with the batch; index rows and snapshots follow in bounded portions (RecentStreams).
/// Threads: one at a time.
class Writer final : public EventStore {
 public:
  explicit Writer(std::shared_ptr<Shared> shared);
  ~Writer() override;

  Result<std::vector<Loaded>> load(std::span<const StreamId> streams, LoadMode mode) override;
  Result<std::vector<std::optional<domain::KeyHit>>> find_keys(std::span<const KeyQuery> queries) override;
  Result<std::vector<std::optional<Token>>> find_tokens(std::span<const ChunkQuery> queries) override;
  std::vector<AppendOutcome> commit(std::span<const Append> batch) override;
  bool maintain(Load load) override;

  /// Steps of the pruner (LaneJobs), each in a transaction of its own. Throws Failure.
  Cutter::Cut cut_logs(std::span<const std::int64_t> rows, Timestamp before, Timestamp now);
  Pruned bury(Timestamp tombstones_before, Timestamp now);
  Pruned erase_deleted(Timestamp now);

 private:
  /// Where a stream stands: what an append is checked against.
  struct Standing {
    std::int64_t row = 0;  ///< 0: unknown stream
    Version version = 0;
    std::int64_t rev = 0;
    ChunkRef head = {};
    const RecentStream* recent = nullptr;
  };
  struct KeyInStream {
    std::int64_t row = 0;
    ShortDigest hash{};
    friend bool operator==(const KeyInStream&, const KeyInStream&) = default;
  };
  struct KeyInStreamHash {
    std::size_t operator()(const KeyInStream& key) const noexcept {
      return domain::DigestHash{}(key.hash) ^ static_cast<std::size_t>(key.row);
    }
  };

  void replay();
  void learn_cursor_key();
  [[nodiscard]] SnapshotPtr readable_snapshot(std::int64_t row);
  void replay_chunk(std::int64_t row, StreamId stream, StoredChunk stored);
  [[nodiscard]] Loaded load_one(const StreamId& stream, LoadMode mode);
  /// Where a key of `queries` stands.
  struct KeyPlace {
    std::int64_t seq;
    std::size_t query;
  };
  /// The chunk that holds the key; where its event is gone from the log, what is kept of it.
  [[nodiscard]] std::optional<std::int64_t> find_key(const KeyQuery& query, std::optional<domain::KeyHit>& kept);
  /// `places` are of one chunk.
  void read_keys(std::span<const KeyPlace> places, std::span<const KeyQuery> queries,
                 std::span<std::optional<domain::KeyHit>> hits);
  [[nodiscard]] Standing standing_of(const StreamId& stream);
  [[nodiscard]] bool key_is_taken(const Standing& standing, const ShortDigest& hash);
  [[nodiscard]] AppendOutcome append(const Append& append, std::int64_t seq,
                                     std::vector<RecentStreams::Change>& changes);
  [[nodiscard]] std::size_t rows_due(std::size_t rows_in);
  [[nodiscard]] std::vector<RecentStreams::Written> write_out(std::size_t rows_min, std::size_t bytes_left_max);
  [[nodiscard]] RecentStreams::Written write_out(const RecentStream& recent, std::size_t rows_max);
  /// What was written out and committed leaves the memory, and what was appended joins it.
  void settle_in_memory(const std::vector<RecentStreams::Written>& written, std::vector<RecentStreams::Change> changes);
  template <class Step>
  auto prune(Step&& step);
  void do_job(Load load);
  void write_out_all();
  void write_out_between_batches();
  void checkpoint_between_batches();
  /// True when the whole write-ahead log is copied.
  bool checkpoint(int mode);
  [[nodiscard]] bool must_forget_erased(Load load) const;
  /// Takes what was erased out of the write-ahead log and the cache of pages. Not while another process reads the file:
  /// then it is tried again later.
  void forget_erased();
  void try_commit();
  void note_commit(bool good, const std::string& what);

  std::shared_ptr<Shared> shared_;
  RecentStreams& recent_;
  Connection connection_;
  Rows rows_;
  SnapshotWriter snapshot_writer_;
  Cutter cutter_;
  Statement begin_, commit_, rollback_;
  Statement insert_stream_, insert_chunk_, insert_stream_chunk_, insert_key_, set_indexed_seq_, standing_;
  std::int64_t next_seq_ = 1;
  std::size_t rows_owed_ = 0;  ///< index rows that should have been written out, and were saved up
  int wal_pages_ = 0;          ///< in the write-ahead log, as of the last commit
  /// Since when the write-ahead log may have what is erased in the tables; a run that was killed may have left some.
  std::optional<std::chrono::steady_clock::time_point> erased_since_;
  std::chrono::steady_clock::time_point forget_after_{};  ///< not before
  bool erasing_ = false;                                  ///< a run of pruning is under way, which may erase more
  std::int64_t failed_batches_ = 0;                       ///< since the last commit
  std::unordered_set<KeyInStream, KeyInStreamHash> known_absent_;  ///< looked up since the last commit
};

}  // namespace pebbles::store::sqlite
