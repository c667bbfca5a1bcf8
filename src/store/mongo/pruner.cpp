#include "store/pruner.hpp"

#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "store/mongo/burial.hpp"
#include "store/mongo/completed_files.hpp"
#include "store/mongo/covered_chunks.hpp"
#include "store/mongo/log_cutter.hpp"

/// Takes old events out of the log (invariant 15). A log is cut in two moves: its first chunk is replaced in place by a
/// baseline, and a while later what that covers goes, but for the keys that must stay. Every write names what it
/// replaces, so any number of instances may prune, and whatever one leaves undone the next one finishes.
/// docs/log-format.md has the documents, ADR 18 the reasons.
namespace pebbles::store::mongo {
namespace {

/// Where the next step of a run goes on. A run begins at the beginning.
struct Cursors {
  std::map<std::pair<std::optional<domain::ClientKrn>, bool>, LogRun> logs;  ///< of a client or all, dry or not
  std::map<bool, DeletionCursor> tombstones;                                 ///< dry or not
  std::map<bool, DeletionCursor> remains;
  DeletionCursor erased = {};  ///< of erasing what was deleted at once
  bool waits = false;          ///< some of it is open still: another round
  int pauses = 0;              ///< made for that
};

class MongoPruner final : public Pruner {
 public:
  explicit MongoPruner(std::shared_ptr<Shared> shared) : shared_{std::move(shared)} {}

  Result<Timestamp> now() override {
    PEBBLES_TRY(lease, ready());
    PEBBLES_TRY(now, shared_->server_time(lease));
    return seconds_of(now);
  }

  Result<std::vector<CompletedFile>> completed(const Clients& clients, Timestamp before,
                                               const std::optional<CompletedPosition>& after,
                                               std::size_t limit) override {
    PEBBLES_TRY(lease, ready());
    const auto progress = shared_->collection(lease, progress_name);
    return find_completed(progress.get(), clients, before, after, limit);
  }

  Result<Pruned> cut_logs(const Clients& clients, Timestamp before, bool dry_run) override {
    const std::pair run{clients.only, dry_run};
    auto out = step(dry_run, [&](PruneStep& step) {
      return LogCutter{step, server_time_of(before)}.cut_logs(cursors_.logs[run], clients, dry_run);
    });
    if (!out || !out->more) cursors_.logs.erase(run);
    return out;
  }

  Result<Pruned> bury(Timestamp tombstones_before, bool dry_run) override {
    auto out = step(dry_run, [&](PruneStep& step) -> Result<Pruned> {
      Burial burial{step};
      PEBBLES_TRY(buried, burial.bury_documents(cursors_.tombstones[dry_run], dry_run));
      PEBBLES_TRY(ended, burial.end_tombstones(cursors_.remains[dry_run], tombstones_before, dry_run));
      buried += ended;
      return buried;
    });
    if (!out || !out->more) {
      cursors_.tombstones.erase(dry_run);
      cursors_.remains.erase(dry_run);
    }
    return out;
  }

  Result<Pruned> erase_deleted() override {
    constexpr std::chrono::milliseconds pause{100};
    constexpr int pauses_max = 200;
    const auto began = std::chrono::steady_clock::now();
    PEBBLES_TRY(lease, ready());
    auto waits = shared_->options().prune_waits;
    waits.age = std::chrono::seconds{0};
    waits.grace = deletions_stay;  // until then nothing is removed: no version becomes free
    PEBBLES_TRY(step, PruneStep::begin(*shared_, lease, waits));
    bool open = false;
    PEBBLES_TRY(out, Burial{step}.erase_contents(cursors_.erased, open));
    cursors_.waits = cursors_.waits || open;
    if (!out.more) {
      cursors_.erased = {};
      if (std::exchange(cursors_.waits, false)) {
        if (++cursors_.pauses > pauses_max)
          return failure(Errc::store_unavailable, "MongoDB: another instance has had updates open for too long");
        std::this_thread::sleep_for(pause);
        out.more = true;
      }
    }
    out.worked = std::chrono::steady_clock::now() - began;
    return out;
  }

 private:
  Result<Lease> ready() {
    auto lease = shared_->lease();
    if (!lease) return failure(Errc::store_unavailable, "MongoDB: no client is free");
    PEBBLES_TRY_VOID(shared_->prepare(lease));
    return lease;
  }

  template <class Work>
  Result<Pruned> step(bool dry_run, Work&& work) {
    const auto began = std::chrono::steady_clock::now();
    PEBBLES_TRY(lease, ready());
    PEBBLES_TRY(step, PruneStep::begin(*shared_, lease, shared_->options().prune_waits));
    bool more = false;
    if (!dry_run) {
      PEBBLES_TRY(more_due, clear_due(step));
      more = more_due;
    }
    Pruned out{.more = true};
    if (!step.is_spent()) {
      PEBBLES_TRY(done, work(step));
      out = done;
    }
    out.more = out.more || more;
    out.worked = std::chrono::steady_clock::now() - began;
    return out;
  }

  std::shared_ptr<Shared> shared_;
  Cursors cursors_;
};

}  // namespace

std::unique_ptr<Pruner> make_pruner(std::shared_ptr<Shared> shared) {
  return std::make_unique<MongoPruner>(std::move(shared));
}

}  // namespace pebbles::store::mongo
