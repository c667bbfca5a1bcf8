#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/event_store.hpp"
#include "store/progress_reader.hpp"

namespace pebbles::support {

/// Which guards are switched off: the negative controls, which prove that the checks would see it. All false is right.
struct Broken {
  bool unknown_is_absent = false;         ///< a commit that timed out is told as "not stored" (breaks invariant 1)
  bool log_is_not_read = false;           ///< a load after a conflict gives the snapshot alone (3)
  bool snapshot_moves_back = false;       ///< whoever writes last has the snapshot (4)
  bool version_is_not_checked = false;    ///< a chunk replaces the one that stands there (4)
  bool answers_before_commit = false;     ///< "stored" is told before it is (5)
  bool tokens_are_lost = false;           ///< nobody recognises a chunk of his own (1)
  bool keys_are_looked_up_first = false;  ///< a look-up doesn't see what was committed since the last load (10)
  bool key_index_is_missing = false;      ///< (10)
  bool horizon_is_ignored = false;        ///< the tail runs past open commits (16)
};

/// What can go wrong at a store, each as a probability per call (`away`) or per append.
struct Faults {
  double away = 0;  ///< loads and look-ups fail with store_unavailable, whole commits are not_stored
  double not_stored = 0;
  double unknown_never = 0;   ///< told `unknown`; the write is gone
  double unknown_landed = 0;  ///< told `unknown`; the write was tried before the answer got lost
  double unknown_later = 0;   ///< told `unknown`; the write is still on its way and is tried at some later time
  double snapshot_lost = 0;   ///< stored, but the snapshot stays behind
};

/// The "database" that several MemoryStores share: chunks keyed by (stream, first version), unique (stream, key hash),
/// snapshots beside them that may lag. Threads: any; `streams()` and what follows it: one.
class MemoryLog {
 public:
  struct Row {
    std::int64_t at = 0;  ///< the tail's order, drawn when the commit began
    store::Chunk chunk;
    std::string text;
  };
  struct Stream {
    std::map<store::Version, Row> rows;  ///< by first version
    std::map<store::ShortDigest, domain::KeyHit> keys;
    store::SnapshotPtr snapshot;
  };

  Broken broken;
  std::optional<store::CursorKey> cursor_key = store::draw_cursor_key();  ///< none: as while the store is away
  /// What the store can never take; nothing by default.
  std::function<bool(const store::Append&)> refuses;

  /// An open commit: until it is closed, the tail stays in front of it.
  class Open {
   public:
    explicit Open(MemoryLog& log) : log_{&log}, at_{log.open()} {}
    Open(Open&& other) noexcept : log_{std::exchange(other.log_, nullptr)}, at_{other.at_} {}
    Open& operator=(Open&& other) noexcept {
      std::swap(log_, other.log_);
      std::swap(at_, other.at_);
      return *this;
    }
    ~Open() {
      if (log_ != nullptr) log_->close(at_);
    }
    [[nodiscard]] std::int64_t at() const { return at_; }

   private:
    MemoryLog* log_;
    std::int64_t at_;
  };

  /// Inserts the chunk if its stream is at the expected version (and rev, unless the write is `late`), and no key of
  /// it is taken. `stored` or `conflict`.
  store::AppendOutcome insert(const store::Append& append, std::int64_t at, bool late = false);
  /// Moves the snapshot forward to what follows from a stored chunk.
  void follow(const store::Append& append);

  /// Lets a write linger until `land` or `drop`. Some hold a place in the tail's order from now on.
  void linger(store::Append append, bool holds_place);
  [[nodiscard]] std::size_t lingering() const;
  /// True when it was stored now.
  bool land(std::size_t index);
  void drop(std::size_t index);

  /// Brings every snapshot up to its log, as each instance does with chunks that stay `open` (invariant 3).
  void sweep();
  /// Derives the snapshot again and raises its `rev` (invariant 14). False: it lags, or there is none.
  bool rebuild(const store::StreamId& stream);

  [[nodiscard]] store::Loaded load(const store::StreamId& stream, store::LoadMode mode) const;
  [[nodiscard]] std::optional<domain::KeyHit> find_key(const store::KeyQuery& query) const;
  [[nodiscard]] std::optional<store::Token> find_token(const store::ChunkQuery& query) const;
  [[nodiscard]] Result<store::TailPage> tail(store::TailCursor cursor, std::size_t limit) const;
  [[nodiscard]] Result<store::FeedPage> feed(const domain::ClientKrn& client, const store::FeedQuery& query) const;
  /// The last place of which the tail shows everything.
  [[nodiscard]] std::int64_t horizon() const;
  void visit(const std::function<void(const store::StreamId&, const Stream&)>& each) const;

  [[nodiscard]] const std::map<store::StreamId, Stream>& streams() const { return streams_; }
  [[nodiscard]] const Stream* find(const store::StreamId& stream) const;

 private:
  struct Lingering {
    store::Append append;
    std::optional<Open> place;
  };

  [[nodiscard]] std::int64_t horizon_locked() const;
  std::int64_t open();
  void close(std::int64_t at);

  mutable std::mutex mutex_;
  std::map<store::StreamId, Stream> streams_;
  std::map<std::int64_t, std::vector<std::pair<store::StreamId, store::Version>>> order_;
  std::set<std::int64_t> open_;
  std::int64_t last_at_ = 0;
  std::vector<Lingering> lingering_;
};

/// The points inside a store's calls at which a test may look, let somebody else act, or throw (an instance's crash).
enum class Moment { before_load, before_find_keys, before_find_tokens, before_commit, after_chunk, after_commit };

/// One instance's connection to a MemoryLog: the chunk-first way. Threads: one.
class MemoryStore final : public store::EventStore {
 public:
  explicit MemoryStore(MemoryLog& log, std::uint64_t seed = 0) : log_{log}, random_{seed} {}

  Faults faults;
  std::function<void(Moment)> at_moment;
  std::int64_t commits = 0;

  Result<std::vector<store::Loaded>> load(std::span<const store::StreamId> streams, store::LoadMode mode) override;
  Result<std::vector<std::optional<domain::KeyHit>>> find_keys(std::span<const store::KeyQuery> queries) override;
  Result<std::vector<std::optional<store::Token>>> find_tokens(std::span<const store::ChunkQuery> queries) override;
  std::vector<store::AppendOutcome> commit(std::span<const store::Append> batch) override;
  bool maintain(store::Load) override { return false; }

 private:
  void pass(Moment moment) const;
  [[nodiscard]] double draw();
  [[nodiscard]] store::AppendOutcome commit_one(const store::Append& append, std::int64_t at);
  [[nodiscard]] store::AppendOutcome write(const store::Append& append, std::int64_t at);

  MemoryLog& log_;
  std::mt19937_64 random_;
  std::map<store::StreamId, store::Version> loaded_;  // for the negative control of invariant 10
};

class MemoryReader final : public store::ProgressReader {
 public:
  explicit MemoryReader(const MemoryLog& log) : log_{log} {}

  Result<store::SnapshotPtr> by_filename(const store::StreamId& stream) override;
  Result<store::SnapshotPtr> by_id(const domain::ClientKrn& client, const domain::FileId& id) override;
  Result<store::ListPage> list(const domain::ClientKrn& client, const store::ListQuery& query) override;
  Result<store::ClientSummary> summary(const domain::ClientKrn& client, Timestamp stalled_before) override;
  Result<store::EventPage> events(const store::StreamId& stream, store::Version after,
                                  const store::PageBounds& bounds) override;
  Result<store::FeedPage> client_events(const domain::ClientKrn& client, const store::FeedQuery& query) override;
  Result<std::int64_t> feed_end() override;
  Result<store::TailPage> tail(store::TailCursor cursor, std::size_t limit) override;
  Result<store::CursorKey> cursor_key() override;
  Result<void> ping() override { return {}; }

 private:
  [[nodiscard]] std::vector<store::SnapshotPtr> of_client(const domain::ClientKrn& client) const;

  const MemoryLog& log_;
};

}  // namespace pebbles::support
