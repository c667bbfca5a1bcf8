#include "store/mongo/mongo_store.hpp"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "store/mongo/conversion.hpp"
#include "store/mongo/shared.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store {
namespace mongo {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// A thread that says which commits are open, repairs what dead instances have left, and waits for a server that is
/// away.
class Upkeep {
 public:
  Upkeep(std::shared_ptr<Shared> shared, bool away)
      : shared_{std::move(shared)}, away_{away}, thread_{[this] { run(); }} {
    pthread_setname_np(thread_.native_handle(), "mongo-upkeep");
  }
  ~Upkeep() {
    {
      const std::lock_guard lock{mutex_};
      stopped_ = true;
    }
    stop_.notify_all();
    thread_.join();
    if (const auto lease = shared_->lease()) shared_->leave(lease);
  }
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;

 private:
  static constexpr milliseconds beat_every{500};
  static constexpr std::chrono::seconds look_every{1};
  static constexpr std::chrono::seconds convert_every{600};
  static constexpr milliseconds convert_slice{250};         ///< of the first walk, between two heartbeats
  static constexpr int convert_pages_max = 16;              ///< likewise
  static constexpr std::chrono::seconds convert_again{10};  ///< where it failed

  void run() {
    std::unique_lock lock{mutex_};
    while (!stop_.wait_for(lock, beat_every, [this] { return stopped_; })) {
      lock.unlock();
      note(once());
      lock.lock();
    }
  }

  Result<void> once() {
    const auto lease = shared_->lease();
    if (!lease) return failure(Errc::store_unavailable, "MongoDB: no client is free");
    PEBBLES_TRY_VOID(shared_->prepare(lease));
    if (auto beat = shared_->beat(lease); !beat) {
      shared_->refusal.set(beat.error().detail);
      return beat;
    }
    shared_->refusal.clear();
    const auto now = steady_clock::now();
    if (now >= next_look_) {
      // Snapshots of an instance that died may be behind: lists show that.
      next_look_ = now + look_every;
      PEBBLES_TRY_VOID(shared_->horizon(lease));
    }
    return now >= next_convert_ ? convert(lease, now) : Result<void>{};
  }

  /// A few pages in the first walk, one in later ones: a start must find old documents soon, and the next heartbeat
  /// must not be late (`Shared::silence_max`).
  Result<void> convert(const Lease& lease, steady_clock::time_point now) {
    bool more = true;
    for (int pages = 0; more && pages < (is_first_walk_ ? convert_pages_max : 1); ++pages) {
      if (pages > 0 && steady_clock::now() - now > convert_slice) break;
      next_convert_ = now + convert_again;
      PEBBLES_TRY(is_full, conversion_.step(*shared_, lease));
      more = is_full;
      next_convert_ = more ? now : now + convert_every;
    }
    is_first_walk_ = is_first_walk_ && more;
    return {};
  }

  void note(const Result<void>& done) {
    if (done && away_) telemetry::database_answers_again();
    if (!done && !away_) telemetry::database_away(done.error().detail);
    away_ = !done;
    if (!done) return;
    const auto difference = std::chrono::abs(shared_->clock_difference());
    if ((difference > milliseconds{2500}) != clock_is_off_) {
      clock_is_off_ = !clock_is_off_;
      if (clock_is_off_) telemetry::clock_differs(shared_->clock_difference().count());
    }
  }

  std::shared_ptr<Shared> shared_;
  Conversion conversion_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopped_ = false;
  bool away_;
  bool clock_is_off_ = false;
  bool is_first_walk_ = true;
  steady_clock::time_point next_look_{};
  steady_clock::time_point next_convert_{};
  std::thread thread_;  // last: it uses the rest
};

std::string_view name_of(Topology topology) {
  switch (topology) {
    case Topology::replica_set: return "replica set";
    case Topology::standalone: return "standalone";
    case Topology::sharded: return "sharded";
    case Topology::unknown: break;
  }
  return "unknown";
}

class OpenStore final : public MongoStore {
 public:
  OpenStore(std::shared_ptr<Shared> shared, bool away)
      : shared_{std::move(shared)},
        reader_{make_reader(shared_)},
        pruner_{make_pruner(shared_)},
        upkeep_{shared_, away} {}
  std::unique_ptr<EventStore> writer() override { return make_writer(shared_); }
  ProgressReader& reader() override { return *reader_; }
  Pruner& pruner() override { return *pruner_; }
  StoreState state() const override {
    const auto& counts = shared_->pool_counts();
    const auto in_use = counts.in_use.load();
    return {.kind = "mongodb",
            .topology = name_of(shared_->topology()),
            .in_use = in_use,
            .idle = std::max(counts.made.load(), in_use) - in_use,
            .waiting = counts.waiting.load(),
            .clock_difference = shared_->clock_difference(),
            .refuses_commits = shared_->refusal.why()};
  }

 private:
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<ProgressReader> reader_;
  std::unique_ptr<Pruner> pruner_;
  Upkeep upkeep_;
};

}  // namespace
}  // namespace mongo

Result<std::unique_ptr<MongoStore>> MongoStore::open(MongoOptions options) {
  PEBBLES_TRY(shared, mongo::Shared::make(std::move(options)));
  bool away = false;
  if (const auto lease = shared->lease()) {
    const auto prepared = shared->prepare(lease);
    away = !prepared;
    if (away && prepared.error().code != Errc::store_unavailable) return std::unexpected{prepared.error()};
    if (away) telemetry::database_away(prepared.error().detail);
  }
  return std::make_unique<mongo::OpenStore>(std::move(shared), away);
}

}  // namespace pebbles::store
