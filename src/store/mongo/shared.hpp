#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "store/cursor_key.hpp"
#include "store/mongo/driver.hpp"
#include "store/mongo/mongo_store.hpp"
#include "store/refusal.hpp"

namespace pebbles::store::mongo {

inline constexpr std::string_view progress_name = "progress";
inline constexpr std::string_view events_name = "progress_events";
inline constexpr std::string_view quarantine_name = "pebbles_quarantine";  ///< what `rebuild` could not read
inline constexpr std::string_view instances_name = "pebbles_instances";
inline constexpr std::string_view secrets_name = "pebbles_secrets";

/// A time of the database's clock: seconds in the upper half, increment in the lower.
using ServerTime = std::uint64_t;
inline void append_time(Bson& out, std::string_view name, ServerTime time) {
  out.timestamp(name, static_cast<std::uint32_t>(time >> 32U), static_cast<std::uint32_t>(time));
}

/// Nothing where the document has no such member, or one of another type.
[[nodiscard]] std::optional<ServerTime> time_in(const bson_t* document, std::string_view wanted);

enum class Topology : std::uint8_t {
  unknown,
  replica_set,
  standalone,
  sharded,
};

/// What this instance has under way, each with a time before which none of its chunks can stand. Threads: any.
class OpenTimes {
 public:
  /// Ends what is under way when it falls.
  class Entry {
   public:
    Entry(OpenTimes& times, std::uint64_t number) : times_{&times}, number_{number} {}
    Entry(Entry&& other) noexcept : times_{std::exchange(other.times_, nullptr)}, number_{other.number_} {}
    Entry& operator=(Entry&&) = delete;
    ~Entry() {
      if (times_ != nullptr) times_->end(number_);
    }
    /// It stays open for ever.
    void leave_open() noexcept { times_ = nullptr; }

   private:
    OpenTimes* times_;
    std::uint64_t number_;
  };

  [[nodiscard]] Entry begin();
  /// The database's clock has passed `time`: what begins from now on stands behind it.
  void passed(ServerTime time);
  /// Nothing of this instance will ever stand before that time, if its clock has passed `now`.
  [[nodiscard]] ServerTime horizon(ServerTime now) const;
  [[nodiscard]] bool any() const;

 private:
  void end(std::uint64_t number);
  mutable std::mutex mutex_;
  ServerTime passed_ = 0;
  std::uint64_t numbers_ = 0;
  std::map<std::uint64_t, ServerTime> open_;
};

/// What all parts of one open store share. Threads: any.
class Shared {
 public:
  /// Errors: as `MongoStore::open`, of the URI alone.
  static Result<std::shared_ptr<Shared>> make(MongoOptions options);

  /// Nothing when the pool stays empty for too long.
  [[nodiscard]] Lease lease();
  [[nodiscard]] const PoolCounts& pool_counts() const { return counts_; }
  [[nodiscard]] Collection collection(const Lease& lease, std::string_view name) const;
  /// Runs a command on the store's database and reads the reply. Error: store_unavailable.
  [[nodiscard]] Result<Bson> run_in_database(const Lease& lease, const Bson& command) const;
  [[nodiscard]] const MongoOptions& options() const { return options_; }
  [[nodiscard]] const mongoc_read_prefs_t* read_prefs() const { return mongoc_uri_get_read_prefs_t(uri_.get()); }

  /// What a client must be before it writes or reads for ingest: whatever the URI says (invariant 2).
  void set_concerns(const Lease& lease) const;

  /// Looks at the server, and makes the indexes; nothing once that has worked. Errors: store_unavailable while there is
  /// no server; store_corrupt when it cannot be used.
  Result<void> prepare(const Lease& lease);
  [[nodiscard]] bool is_prepared() const { return topology_.load() != Topology::unknown; }
  [[nodiscard]] Topology topology() const { return topology_.load(); }
  /// Nothing before the store is prepared.
  [[nodiscard]] std::optional<CursorKey> cursor_key() const { return is_prepared() ? cursor_key_ : std::nullopt; }

  /// What the database's clock shows; chunks that are written later stand behind it. Error: store_unavailable.
  Result<ServerTime> server_time(const Lease& lease);
  /// Publishes which commits are open here (invariant 16), and looks at the database's clock.
  Result<void> beat(const Lease& lease);
  /// The last word: nothing more comes from here. Unsaid when snapshots are left behind: others catch up with them.
  void leave(const Lease& lease);
  /// Nothing will ever stand in the log at or before it that isn't there yet, of any instance. Gives up instances that
  /// have not said anything for `silence_max`: their sessions are ended first, so that nothing of theirs that is under
  /// way on the server can commit any more, and snapshots that they left behind are caught up with (invariant 3).
  Result<ServerTime> horizon(const Lease& lease);
  static constexpr std::chrono::seconds silence_max{5};
  /// A horizon that is at or beyond that time, or else one of now: `horizon` writes, and what it once said holds for
  /// ever, so those who read what is older than the last one need not ask, and who asks at once shares one.
  Result<ServerTime> horizon_beyond(const Lease& lease, ServerTime time);
  /// The same of snapshots too: what stands before `settled` has them, and nobody doubts whose it is (invariant 1).
  struct Settled {
    ServerTime now = 0;
    ServerTime settled = 0;
  };
  Result<Settled> settled(const Lease& lease);

  /// How far this machine's clock is ahead of the database's.
  [[nodiscard]] std::chrono::milliseconds clock_difference() const { return clock_difference_.load(); }

  void enter_session(const mongoc_client_session_t* session);
  void leave_session(const mongoc_client_session_t* session);

  Refusal refusal;           ///< of the heartbeat, which is a write
  OpenTimes open_commits;    ///< invariant 16
  OpenTimes open_snapshots;  ///< chunks whose snapshots have not followed yet

 private:
  Shared(MongoOptions options, Uri uri, ClientPool pool, std::string database);

  struct Horizons {
    ServerTime now = 0;
    ServerTime open = 0;
    ServerTime behind = 0;
  };
  Result<Horizons> horizons(const Lease& lease);
  Result<void> give_up(const Lease& lease, const bson_t* row);

  MongoOptions options_;
  Uri uri_;
  std::string database_;
  const std::int64_t instance_;
  std::mutex preparing_;
  std::atomic<std::chrono::milliseconds> clock_difference_{};
  std::mutex beating_;
  std::mutex asking_horizon_;  ///< for as long as it takes
  std::atomic<std::uint64_t> horizons_begun_{0};
  std::uint64_t horizon_number_ = 0;  ///< of the last one that was answered
  std::atomic<ServerTime> last_horizon_{0};
  std::mutex sessions_mutex_;
  std::map<const mongoc_client_session_t*, Bson> sessions_;  ///< their `lsid`s
  std::optional<CursorKey> cursor_key_;                      ///< fixed before the topology is known
  std::atomic<Topology> topology_{Topology::unknown};
  PoolCounts counts_;
  ClientPool pool_;  // last: its clients go first
};

/// Makes the indexes of docs/log-format.md that are not there yet. One with the same keys and options counts under any
/// name. Errors: store_corrupt where the same keys have other options, store_unavailable.
Result<void> make_indexes(mongoc_client_t* client, const std::string& database);

/// The key of cursors, of a document of `pebbles_secrets`; where that is not there yet it is made, and every instance
/// that starts at the same moment gets the one that was made first. Errors: store_unavailable; store_corrupt where the
/// document holds something else, which is left alone.
Result<CursorKey> find_or_make_cursor_key(mongoc_collection_t* secrets);

/// Runs a command on a database and reads the reply. Error: store_unavailable.
Result<Bson> run(mongoc_client_t* client, const std::string& database, const Bson& command);

[[nodiscard]] std::unique_ptr<EventStore> make_writer(std::shared_ptr<Shared> shared);
[[nodiscard]] std::unique_ptr<ProgressReader> make_reader(std::shared_ptr<Shared> shared);
[[nodiscard]] std::unique_ptr<Pruner> make_pruner(std::shared_ptr<Shared> shared);

/// Catches up with the snapshots that are behind chunks from that time on: the instance that wrote them has died in
/// between (invariant 3).
Result<void> sweep(Shared& shared, const Lease& lease, ServerTime from);

}  // namespace pebbles::store::mongo
